"""Linear layers: one of which rows can be asked alone, and one that is frozen in eight bits."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """Several layers fused: queries, keys and values of one source, or of two."""

    def rows(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Outputs start to stop alone, […, stop - start]."""
        return F.linear(x, self.weight[start:stop], None if self.bias is None else self.bias[start:stop])


class Int8Linear(nn.Module):
    """A frozen layer at a quarter of the memory: each row of weights is eight-bit integers times its largest / 127."""

    int8_OD: Tensor
    scale_O1: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        weight_OD = layer.weight.detach()
        scale_O1 = weight_OD.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        self.register_buffer("int8_OD", (weight_OD / scale_O1).round().to(torch.int8))
        self.register_buffer("scale_O1", scale_O1)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())

    @property
    def weight(self) -> Tensor:
        """What it stands for, float32 [O, D]."""
        return self.int8_OD * self.scale_O1

    def forward(self, x: Tensor) -> Tensor:
        return self.rows(x, 0, self.out_features)

    def rows(self, x: Tensor, start: int, stop: int) -> Tensor:
        y: Tensor = _Int8Product.apply(x, self.int8_OD[start:stop], self.scale_O1[start:stop])
        return y if self.bias is None else y + self.bias[start:stop]


class _Int8Product(torch.autograd.Function):
    """x Wᵀ, which keeps no W for the way back but makes it again of its integers."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, int8_OD: Tensor, scale_O1: Tensor) -> Tensor:
        ctx.save_for_backward(int8_OD, scale_O1)
        return F.linear(x, int8_OD * scale_O1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        int8_OD, scale_O1 = ctx.saved_tensors
        return gradient @ (int8_OD * scale_O1).to(gradient.dtype), None, None
