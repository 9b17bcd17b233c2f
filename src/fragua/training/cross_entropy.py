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
    """Makes the gradients in the forward pass, chunk by chunk: three products, no logits kept, none made twice."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, chunk: int) -> Tensor:
        total = torch.zeros((), dtype=torch.float32, device=x_ND.device)
        grad_x_ND = torch.empty_like(x_ND)
        grad_weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32)
        for start in range(0, x_ND.shape[0], chunk):
            part, targets = x_ND[start : start + chunk], targets_N[start : start + chunk]
            loss, slope_NV = _softmax_slope(part @ weight_VD.mT, targets)
            total += loss
            grad_x_ND[start : start + chunk] = slope_NV @ weight_VD
            grad_weight_VD += slope_NV.mT @ part
        ctx.save_for_backward(grad_x_ND, grad_weight_VD)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_x_ND, grad_weight_VD = ctx.saved_tensors
        return grad_x_ND * grads[0], grad_weight_VD * grads[0], None, None


def _softmax_slope(logits_NV: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
    """Summed loss, and softmax minus one-hot; both zero where the target is IGNORE."""
    logprobs_NV = F.log_softmax(logits_NV.float(), dim=-1)
    kept_N1 = (targets_N != IGNORE)[:, None]
    index_N1 = targets_N.clamp(min=0)[:, None]
    loss = -(logprobs_NV.gather(1, index_N1) * kept_N1).sum()
    columns_V = torch.arange(logits_NV.shape[1], device=logits_NV.device)
    slope_NV = (logprobs_NV.exp() - (columns_V == index_N1).float()) * kept_N1
    return loss, slope_NV.to(logits_NV.dtype)


def chunked_cross_entropy(x_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, chunk: int = CHUNK) -> Tensor:
    """Summed next-token loss in nats of logits `x weightᵀ`; targets of IGNORE count nothing. Scalar float32."""
    return _ChunkedCrossEntropy.apply(x_ND, weight_VD, targets_N, chunk)
