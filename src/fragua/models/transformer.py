"""The one transformer: embedding, blocks, final norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fragua.models.block import Block
from fragua.models.cache import Cache
from fragua.models.config import Stack
from fragua.models.norms import RMSNorm
from fragua.models.positions import Rope
from fragua.models.visibility import Visible


class Transformer(nn.Module):
    """ids_BT -> x_BTD."""

    def __init__(self, config: Stack):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_eps)
        self.rope = Rope(config.head_width, config.rope_theta)

    def forward(
        self,
        ids_BT: Tensor,
        visible: Visible = None,
        positions_BT: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """`positions_BT` counts on from the cache where it is not given. Returns the normed stream [B, T, D]."""
        start, time = 0 if cache is None else cache.length, ids_BT.shape[1]
        if cache is not None:
            cache.reserve(time)
        if positions_BT is None:
            positions_BT = torch.arange(start, start + time, device=ids_BT.device)[None]
        x_BTD = self.embedding(ids_BT)
        rope = self.rope.tables(positions_BT, x_BTD.dtype)
        for layer, block in enumerate(self.blocks):
            x_BTD = (
                block(x_BTD, visible, rope, cache, layer)
                if cache is not None
                else block(x_BTD, visible, rope)
            )
        if cache is not None:
            cache.length += time
        return self.norm(x_BTD)
