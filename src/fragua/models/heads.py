"""What stands between the last state and the numbers asked for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fragua.models.config import Pooling, Stack
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


class Pooler(nn.Module):
    """tanh(dense x): BERT's pooler on its first state, and the inside of others' heads of labels."""

    def __init__(self, config: Stack):
        super().__init__()
        self.dense = nn.Linear(config.width, config.width)

    def forward(self, x_ND: Tensor) -> Tensor:
        return torch.tanh(self.dense(x_ND))


def pool(x_BTD: Tensor, mask_BT: Tensor, pooling: Pooling) -> Tensor:
    """The mean over real tokens, the first position, or the last real token: [B, D]."""
    if pooling == "mean":
        weights_BT1 = mask_BT[:, :, None].to(x_BTD)
        return (x_BTD * weights_BT1).sum(1) / weights_BT1.sum(1).clamp(min=1)
    if pooling == "cls":
        return x_BTD[:, 0]
    last_B = (mask_BT * torch.arange(x_BTD.shape[1], device=x_BTD.device)).argmax(1)
    return x_BTD[torch.arange(len(x_BTD), device=x_BTD.device), last_B]
