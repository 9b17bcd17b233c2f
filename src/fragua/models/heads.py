"""What stands between the last state and the numbers asked for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fragua.models.config import Stack
from fragua.models.feedforward import ACTIVATIONS
from fragua.models.norms import make_norm


class Scaled(nn.Module):
    """x · a number."""

    def __init__(self, scale: float):
        super().__init__()
        self.scale = scale

    def forward(self, x_BTD: Tensor) -> Tensor:
        return x_BTD * self.scale


class MaskedTokenTransform(nn.Module):
    """norm(act(dense x)), before the output matrix of BERT and RoBERTa."""

    def __init__(self, config: Stack):
        super().__init__()
        self.dense = nn.Linear(config.width, config.width)
        self.norm = make_norm(config)
        # RoBERTa's head has its own activation, whatever the blocks have
        self.activation = ACTIVATIONS["gelu" if config.family == "roberta" else config.activation]

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.norm(self.activation(self.dense(x_BTD)))


def before_tokens(config: Stack) -> nn.Module:
    """What the stream goes through before the output matrix."""
    if config.family in ("bert", "roberta"):
        return MaskedTokenTransform(config)
    return nn.Identity() if config.output_scale == 1.0 else Scaled(config.output_scale)


class First(nn.Module):
    """tanh(dense) of the first token's state: BERT's pooler, and the inside of RoBERTa's classifier."""

    def __init__(self, config: Stack):
        super().__init__()
        self.dense = nn.Linear(config.width, config.width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return torch.tanh(self.dense(x_BTD[:, 0]))
