"""The feed-forward half of a block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from fragua.models.config import Activation, Stack

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
}


class Gated(nn.Module):
    """SwiGLU, GeGLU: down(act(gate x) * up x), gate and up fused (Shazeer 2020, 2002.05202, eq. 6)."""

    def __init__(self, config: Stack):
        super().__init__()
        self.gate_up = nn.Linear(config.width, 2 * config.ffn_width, bias=config.ffn_bias)
        self.down = nn.Linear(config.ffn_width, config.width, bias=config.ffn_bias)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, x_BTD: Tensor) -> Tensor:
        gate_BTF, up_BTF = self.gate_up(x_BTD).chunk(2, dim=-1)
        return self.down(self.activation(gate_BTF) * up_BTF)


class Plain(nn.Module):
    """down(act(up x)) (Vaswani et al. 2017, 1706.03762, eq. 2)."""

    def __init__(self, config: Stack):
        super().__init__()
        self.up = nn.Linear(config.width, config.ffn_width, bias=config.ffn_bias)
        self.down = nn.Linear(config.ffn_width, config.width, bias=config.ffn_bias)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.down(self.activation(self.up(x_BTD)))


FEED_FORWARDS = {"gated": Gated, "plain": Plain}
