"""One block: attention and feed-forward, each added to the stream, with a norm before or after."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from fragua.models.attention import Attention, SourceAttention, TwoStreamAttention
from fragua.models.cache import Sight
from fragua.models.config import Stack
from fragua.models.feedforward import FEED_FORWARDS
from fragua.models.norms import make_norm
from fragua.models.positions import Tables
from fragua.models.visibility import Visible


class Block(nn.Module):
    """Norms before: the stream itself is never normed (Xiong et al. 2020, 2002.04745)."""

    def __init__(self, config: Stack, layer: int = 0):
        super().__init__()
        two_streams = config.position == "relative_two_stream"
        self.attention_norm = make_norm(config)
        self.attention = (TwoStreamAttention if two_streams else Attention)(config, layer)
        self.ffn_norm = make_norm(config)
        self.ffn = FEED_FORWARDS[config.ffn](config)

    def forward(self, x_BTD: Tensor, visible: Visible, tables: Tables, **reading: Any) -> Tensor:
        """`reading`: cache, layer, weights, as attention takes them."""
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), visible, tables, **reading)
        return x_BTD + self.ffn(self.ffn_norm(x_BTD))


class PostNormBlock(Block):
    """Norms after each sum (Vaswani et al. 2017, 1706.03762, section 3.1)."""

    def forward(self, x_BTD: Tensor, visible: Visible, tables: Tables, **reading: Any) -> Tensor:
        x_BTD = self.attention_norm(x_BTD + self.attention(x_BTD, visible, tables, **reading))
        return self.ffn_norm(x_BTD + self.ffn(x_BTD))


class CrossBlock(Block):
    """Between attention and feed-forward it reads an encoder's states."""

    def __init__(self, config: Stack, layer: int = 0):
        super().__init__(config, layer)
        self.cross_norm = make_norm(config)
        self.cross = SourceAttention(config, layer)

    def forward(  # type: ignore[override]
        self,
        x_BTD: Tensor,
        visible: Visible,
        tables: Tables,
        *,
        source: Sight,
        cross_weights: list[Tensor] | None = None,
        **reading: Any,
    ) -> Tensor:
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), visible, tables, **reading)
        x_BTD = x_BTD + self.cross(self.cross_norm(x_BTD), source, cross_weights)
        return x_BTD + self.ffn(self.ffn_norm(x_BTD))


def make_block(config: Stack, layer: int) -> Block:
    if config.encoder_layers:
        return CrossBlock(config, layer)
    return (PostNormBlock if config.norm_at == "post" else Block)(config, layer)
