"""The one transformer: embedding, blocks, final norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fragua.models.block import make_block
from fragua.models.cache import Cache, Memory, Sight
from fragua.models.config import Stack
from fragua.models.norms import make_norm
from fragua.models.positions import POSITIONS, Streams, Tables
from fragua.models.visibility import Visible, windowed


@dataclass
class Trace:
    """What is kept of a forward for those who look inside; lists that are None are not filled."""

    hidden: list[Tensor] | None = None
    """[B, T, D] before each block, and the result."""
    attentions: list[Tensor] | None = None
    """[B, H, T, S] a block."""
    cross_attentions: list[Tensor] | None = None

    @classmethod
    def of(cls, hidden: bool, attentions: bool) -> Trace | None:
        if not (hidden or attentions):
            return None
        return cls([] if hidden else None, [] if attentions else None, [] if attentions else None)


class Transformer(nn.Module):
    """ids_BT -> x_BTD."""

    def __init__(self, config: Stack):
        super().__init__()
        self.config = config
        # as in the encoders that learn positions, the vector of padding is not trained
        padding = config.pad_id if config.position == "learned" and config.visible == "full" else None
        self.embedding = nn.Embedding(config.vocab_size, config.width, padding_idx=padding)
        self.position = POSITIONS[config.position](config)
        self.blocks = nn.ModuleList(make_block(config, layer) for layer in range(config.layers))
        self.norm = make_norm(config) if config.norm_at == "pre" else nn.Identity()

    def forward(
        self,
        ids_BT: Tensor,
        visible: Visible = None,
        positions_BT: Tensor | None = None,
        cache: Cache | None = None,
        types_BT: Tensor | None = None,
        source: Sight | None = None,
        trace: Trace | None = None,
    ) -> Tensor:
        """`positions_BT` counts on from the cache where it is not given. Returns the normed stream [B, T, D]."""
        start, time = 0 if cache is None else cache.length, ids_BT.shape[1]
        if cache is not None:
            cache.reserve(time)
        if positions_BT is None:
            positions_BT = torch.arange(start, start + time, device=ids_BT.device)[None]
        x_BTD = self.position.embed(self.embedding(ids_BT), positions_BT, types_BT)
        tables = self.position.tables(positions_BT, x_BTD.dtype)
        masks = self.masks(visible, time, start + time)
        x_BTD = self.run(x_BTD, masks, tables, cache, source, trace)
        if cache is not None:
            cache.length += time
        return x_BTD

    def masks(self, visible: Visible, queries: int, keys: int) -> list[Visible]:
        """What each layer sees, with the bias that positions add for all of them."""
        config, device = self.config, next(self.parameters()).device
        wide = self.position.mask(visible, queries, keys)
        if config.window is None:
            return [wide] * config.layers
        near = windowed(wide, queries, keys, config.window, device)
        return [near if layer >= config.window_from else wide for layer in range(config.layers)]

    def run(
        self,
        x_BTD: Tensor,
        masks: list[Visible],
        tables: Tables | Streams,
        cache: Memory | None = None,
        source: Sight | None = None,
        trace: Trace | None = None,
    ) -> Tensor:
        """The blocks and the final norm over rows that are embedded already."""
        hidden = None if trace is None else trace.hidden
        for layer, block in enumerate(self.blocks):
            reading: dict[str, Any] = {}
            if cache is not None:
                reading = {"cache": cache, "layer": layer}
            if source is not None:
                reading["source"] = source
            if trace is not None and trace.attentions is not None:
                reading["weights"] = trace.attentions
                if source is not None:
                    reading["cross_weights"] = trace.cross_attentions
            if hidden is not None:
                hidden.append(x_BTD)
            x_BTD = block(x_BTD, masks[layer], tables, **reading)
        x_BTD = self.norm(x_BTD)
        if hidden is not None:
            hidden.append(x_BTD)
        return x_BTD
