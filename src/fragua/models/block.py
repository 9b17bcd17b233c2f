"""One block: attention and feed-forward, each behind its norm, each added to the stream."""

from __future__ import annotations

from torch import Tensor, nn

from fragua.models.attention import Attention
from fragua.models.cache import Cache
from fragua.models.config import Stack
from fragua.models.feedforward import Gated
from fragua.models.norms import RMSNorm
from fragua.models.visibility import Visible


class Block(nn.Module):
    def __init__(self, config: Stack):
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.norm_eps)
        self.attention = Attention(config)
        self.ffn_norm = RMSNorm(config.width, config.norm_eps)
        self.ffn = Gated(config)

    def forward(
        self,
        x_BTD: Tensor,
        visible: Visible,
        rope: tuple[Tensor, Tensor],
        cache: Cache | None = None,
        layer: int = 0,
    ) -> Tensor:
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), visible, rope, cache, layer)
        return x_BTD + self.ffn(self.ffn_norm(x_BTD))
