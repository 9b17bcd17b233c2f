"""Cross-entropy that never holds the logits of a whole batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

IGNORE = -100
LOGITS = 1 << 20
"""At a time: 4 MiB in float32 stay in a processor's cache."""


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Makes the gradients in the forward pass, chunk by chunk: three products, no logits kept, none made twice, and
    nothing computed where there is no loss."""

    @staticmethod
    def forward(
        ctx: Any, x_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, chunk: int, smoothing: float
    ) -> Tensor:
        on = x_ND.device.type
        dtype = torch.get_autocast_dtype(on) if torch.is_autocast_enabled(on) else x_ND.dtype
        total = torch.zeros((), dtype=torch.float32, device=x_ND.device)
        grad_x_ND = torch.zeros_like(x_ND)
        grad_weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32)
        with torch.autocast(on, enabled=False):
            read_VD = weight_VD.to(dtype)
            for places in (targets_N != IGNORE).nonzero()[:, 0].split(chunk):
                part = x_ND[places].to(dtype)
                loss, slope_NV = _softmax_slope(part @ read_VD.mT, targets_N[places], smoothing)
                total += loss
                grad_x_ND[places] = (slope_NV @ read_VD).to(x_ND.dtype)
                grad_weight_VD += slope_NV.mT @ part
        ctx.save_for_backward(grad_x_ND, grad_weight_VD)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_x_ND, grad_weight_VD = ctx.saved_tensors
        return grad_x_ND.mul_(grads[0]), grad_weight_VD.mul_(grads[0]), None, None, None


def _softmax_slope(logits_NV: Tensor, targets_N: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Summed loss, and softmax minus the wanted shares, in the memory of one matrix [N, V]: float32 logits are gone."""
    index_N1, even = targets_N[:, None], smoothing / logits_NV.shape[1]
    wide_NV = logits_NV.float()
    top_N1 = wide_NV.amax(1, keepdim=True)
    wanted = (1 - smoothing) * wide_NV.gather(1, index_N1).sum()
    if smoothing:
        wanted += even * wide_NV.sum()
    slope_NV = wide_NV.sub_(top_N1).exp_()
    sum_N1 = slope_NV.sum(1, keepdim=True)
    slope_NV.div_(sum_N1)
    if smoothing:
        slope_NV -= even
    slope_NV.scatter_add_(1, index_N1, torch.full_like(index_N1, smoothing - 1, dtype=slope_NV.dtype))
    return (top_N1 + sum_N1.log()).sum() - wanted, slope_NV.to(logits_NV.dtype)


def chunked_cross_entropy(
    x_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, chunk: int | None = None, smoothing: float = 0.0
) -> Tensor:
    """Summed next-token loss in nats of logits `x weightᵀ`; targets of IGNORE count nothing. Scalar float32.

    `chunk`: positions at a time; None: as many as make LOGITS logits.
    `smoothing`: this share of what is wanted is spread over all tokens (Szegedy et al. 2015, 1512.00567, section 7)."""
    chunk = chunk or max(128, LOGITS // weight_VD.shape[0])
    return _ChunkedCrossEntropy.apply(x_ND, weight_VD, targets_N, chunk, smoothing)
