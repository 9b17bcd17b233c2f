"""Normalisation, with centring and without."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fragua.models.config import Stack


class RMSNorm(nn.Module):
    """x / rms(x) * gain, the mean square in float32 (Zhang and Sennrich 2019, 1910.07467, eq. 4)."""

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        scaled = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return scaled.to(x.dtype) * self.weight.to(x.dtype)


def make_norm(config: Stack) -> nn.Module:
    """The stack's norm over the model width; `layer` is Ba et al. 2016, 1607.06450."""
    kind = nn.LayerNorm if config.norm == "layer" else RMSNorm
    return kind(config.width, config.norm_eps)
