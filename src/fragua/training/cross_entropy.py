"""Cross-entropy that never holds the logits of a whole batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = -100
CHUNK = 2048
"""Positions at a time; 2,048 × 4,096 float32 logits are 32 MiB."""


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Makes the gradients in the forward pass, chunk by chunk: three products, no logits kept, none made twice, and
    nothing computed where there is no loss."""

    @staticmethod
    def forward(
        ctx: Any, x_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, chunk: int, smoothing: float
    ) -> Tensor:
        total = torch.zeros((), dtype=torch.float32, device=x_ND.device)
        grad_x_ND = torch.zeros_like(x_ND)
        grad_weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32)
        for places in (targets_N != IGNORE).nonzero()[:, 0].split(chunk):
            part = x_ND[places]
            loss, slope_NV = _softmax_slope(part @ weight_VD.mT, targets_N[places], smoothing)
            total += loss
            grad_x_ND[places] = (slope_NV @ weight_VD).to(x_ND.dtype)  # autocast multiplies in bfloat16
            grad_weight_VD += slope_NV.mT @ part
        ctx.save_for_backward(grad_x_ND, grad_weight_VD)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_x_ND, grad_weight_VD = ctx.saved_tensors
        return grad_x_ND.mul_(grads[0]), grad_weight_VD.mul_(grads[0]), None, None, None


def _softmax_slope(logits_NV: Tensor, targets_N: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Summed loss, and softmax minus the wanted shares, in the memory of one matrix [N, V]."""
    logprobs_NV = F.log_softmax(logits_NV.float(), dim=-1)
    index_N1, even = targets_N[:, None], smoothing / logits_NV.shape[1]
    loss = -(1 - smoothing) * logprobs_NV.gather(1, index_N1).sum()
    if smoothing:
        loss -= even * logprobs_NV.sum()
    slope_NV = logprobs_NV.exp_()
    if smoothing:
        slope_NV -= even
    slope_NV.scatter_add_(1, index_N1, torch.full_like(index_N1, smoothing - 1, dtype=slope_NV.dtype))
    return loss, slope_NV.to(logits_NV.dtype)


def chunked_cross_entropy(
    x_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, chunk: int = CHUNK, smoothing: float = 0.0
) -> Tensor:
    """Summed next-token loss in nats of logits `x weightᵀ`; targets of IGNORE count nothing. Scalar float32.

    `smoothing`: this share of what is wanted is spread over all tokens (Szegedy et al. 2015, 1512.00567, section 7)."""
    return _ChunkedCrossEntropy.apply(x_ND, weight_VD, targets_N, chunk, smoothing)
