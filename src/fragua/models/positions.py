"""How position enters: rotary embedding of queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Rope(nn.Module):
    """Rotary positions (Su et al. 2021, 2104.09864, eq. 34), halves rotated as in the Llama layout."""

    inverse: Tensor

    def __init__(self, head_width: int, theta: float):
        super().__init__()
        exponents = torch.arange(0, head_width, 2, dtype=torch.float64) / head_width
        self.register_buffer("inverse", (theta**-exponents).float(), persistent=False)

    def tables(self, positions_BT: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines [B or 1, 1, T, E]; computed once a forward, used by every layer."""
        angles_BTE = positions_BT[..., None].float() * self.inverse
        angles_BTE = torch.cat((angles_BTE, angles_BTE), dim=-1)[:, None]
        return angles_BTE.cos().to(dtype), angles_BTE.sin().to(dtype)


def rotate(x_BHTE: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns each pair (i, i + E/2) by its angle."""
    first, second = x_BHTE.chunk(2, dim=-1)
    return x_BHTE * cos + torch.cat((-second, first), dim=-1) * sin
