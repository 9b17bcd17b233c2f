"""Linear layers: one of which rows can be asked alone, and those whose weights are frozen as whole numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fragua.models.native.layout import Matrix, address
from fragua.models.native.library import multiply

Kind = Literal["int8", "int4"]
GROUP = 64
"""Four-bit weights of a row that share a scale."""
INT4_SHRINKS = tuple(0.7 + 0.05 * step for step in range(9))
"""Of the scale at which the largest weight is just reached: the best one for each group is kept."""
FEW_ROWS = 4
"""Up to here torch's own product with eight-bit weights is faster than making them floats."""


class Linear(nn.Linear):
    """Several layers fused: queries, keys and values of one source, or of two."""

    def rows(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Outputs start to stop alone, […, stop - start]."""
        return F.linear(x, self.weight[start:stop], None if self.bias is None else self.bias[start:stop])


class FrozenLinear(nn.Module, ABC):
    """A layer whose weights are whole numbers times scales. Gradients go through it, not into it."""

    kind: ClassVar[Kind]
    whole: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        whole, scale = self.rounded(layer.weight.detach().float())
        self.register_buffer("whole", whole)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())

    @staticmethod
    @abstractmethod
    def rounded(weight_OD: Tensor) -> tuple[Tensor, Tensor]:
        """The whole numbers, as they are stored, and their scales."""

    @staticmethod
    @abstractmethod
    def exact(whole: Tensor, scale: Tensor, width: int) -> Tensor:
        """What they stand for, float32 […, width]."""

    def weights(self, rows: slice | Tensor) -> Tensor:
        """What these rows stand for, float32 […, D]."""
        return self.exact(self.whole[rows], self.scale[rows], self.in_features)

    @property
    def weight(self) -> Tensor:
        """What all of it stands for, float32 [O, D]."""
        return self.weights(slice(None))

    @property
    def weight_bytes(self) -> int:
        return self.whole.nbytes + self.scale.nbytes

    def matrix(self) -> Matrix:
        """As native code sees it."""
        tensors = address(self.whole), address(self.scale), address(self.bias)
        return Matrix.of(self.kind, *tensors, self.out_features, self.in_features)

    def forward(self, x: Tensor) -> Tensor:
        plain = not (torch.is_grad_enabled() or torch.compiler.is_compiling())
        if plain and x.dtype == torch.float32 and x.device.type == "cpu":
            x_ND = x.reshape(-1, self.in_features).contiguous()
            y_NO = multiply(self.matrix(), x_ND)
            if y_NO is not None:
                return y_NO.view(*x.shape[:-1], self.out_features)
        return self.rows(x, 0, self.out_features)

    def rows(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Outputs start to stop alone, […, stop - start]."""
        y: Tensor = _Product.apply(x, self.whole[start:stop], self.scale[start:stop], self.kind)
        return y if self.bias is None else y + self.bias[start:stop]


class Int8Linear(FrozenLinear):
    """A quarter of the memory: each row of weights is eight-bit integers times its largest / 127."""

    kind = "int8"

    @staticmethod
    def rounded(weight_OD: Tensor) -> tuple[Tensor, Tensor]:
        """int8 [O, D], float32 [O]"""
        scale_O = weight_OD.abs().amax(1).clamp(min=1e-12) / 127
        return (weight_OD / scale_O[:, None]).round().to(torch.int8), scale_O

    @staticmethod
    def exact(whole: Tensor, scale: Tensor, width: int) -> Tensor:
        return whole * scale.unsqueeze(-1)


class Int4Linear(FrozenLinear):
    """A seventh of the memory: groups of 64 weights of a row are integers from -8 to 7 times a scale."""

    kind = "int4"

    @staticmethod
    def rounded(weight_OD: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [O, groups, 32], float32 [O, groups]. 16 bits (two bytes, the lower first) hold the weights i, i + 16,
        i + 32 and i + 48 of their group, 8 above their value."""
        groups_OG4L = F.pad(weight_OD, (0, -weight_OD.shape[1] % GROUP)).view(len(weight_OD), -1, 4, 16)
        whole_OG64, scale_OG = nearest_int4(groups_OG4L.flatten(2))
        parts = (whole_OG64 + 8).to(torch.uint8).view(groups_OG4L.shape).unbind(2)
        return torch.stack((parts[0] | parts[1] << 4, parts[2] | parts[3] << 4), -1).flatten(2), scale_OG

    @staticmethod
    def exact(whole: Tensor, scale: Tensor, width: int) -> Tensor:
        pairs = whole.unflatten(-1, (16, 2))
        parts = [half for pair in pairs.unbind(-1) for half in (pair & 15, pair >> 4)]
        return ((torch.cat(parts, -1).to(torch.int8) - 8) * scale.unsqueeze(-1)).flatten(-2)[..., :width]


def nearest_int4(weight_OGI: Tensor) -> tuple[Tensor, Tensor]:
    """Integers from -8 to 7, and the scales [O, G] that leave the least squared error of nine: the largest weight of
    a group becomes about -8, whatever its sign."""
    at = weight_OGI.abs().argmax(-1, keepdim=True)
    extreme_OG1 = weight_OGI.gather(-1, at) / -8
    best = torch.zeros_like(weight_OGI), torch.zeros_like(extreme_OG1)
    least_OG1 = torch.full_like(extreme_OG1, torch.inf)
    for shrink in INT4_SHRINKS:
        scale_OG1 = extreme_OG1 * shrink
        whole_OGI = (
            (weight_OGI / torch.where(scale_OG1.abs() > 1e-30, scale_OG1, torch.inf)).round().clamp(-8, 7)
        )
        error_OG1 = (whole_OGI * scale_OG1 - weight_OGI).square().sum(-1, keepdim=True)
        better = error_OG1 < least_OG1
        for kept, new in zip((*best, least_OG1), (whole_OGI, scale_OG1, error_OG1), strict=True):
            torch.where(better, new, kept, out=kept)
    return best[0], best[1].squeeze(-1)


class FrozenEmbedding(nn.Module):
    """Rows of a frozen layer as vectors of tokens: the input side of an output head that is tied to it."""

    def __init__(self, layer: FrozenLinear):
        super().__init__()
        self.layer = layer

    def forward(self, ids: Tensor) -> Tensor:
        return self.layer.weights(ids)


KINDS: dict[str, type[FrozenLinear]] = {kind.kind: kind for kind in (Int8Linear, Int4Linear)}


class _Product(torch.autograd.Function):
    """x Wᵀ, which keeps no W for the way back but makes it again of its integers."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, whole: Tensor, scale: Tensor, kind: Kind) -> Tensor:
        ctx.save_for_backward(whole, scale)
        ctx.kind, ctx.width = kind, x.shape[-1]
        few = x.numel() <= FEW_ROWS * ctx.width and x.dtype == torch.float32 and x.device.type == "cpu"
        if kind == "int8" and few:
            return torch._weight_int8pack_mm(x.reshape(-1, ctx.width), whole, scale).view(*x.shape[:-1], -1)
        return F.linear(x, KINDS[kind].exact(whole, scale, ctx.width).to(x.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        whole, scale = ctx.saved_tensors
        weight = KINDS[ctx.kind].exact(whole, scale, ctx.width)
        return gradient @ weight.to(gradient.dtype), None, None, None
