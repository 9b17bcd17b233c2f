"""Keys and values of past tokens: one pair of static tensors a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fragua.errors import InputError
from fragua.models.config import Stack
from fragua.models.visibility import Visible

Look = Callable[[Tensor, Tensor, Tensor, Visible], Tensor]
"""One layer's attention over the keys and values given to it: q, k, v, visible -> [B, H, T, E]."""


class Memory(Protocol):
    """What a forward may read of earlier ones, and where it leaves its own keys and values."""

    def attend(
        self, layer: int, q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor, visible: Visible, look: Look
    ) -> Tensor:
        """Stores the new keys and values; what the queries find among all that they may see, [B, H, T, E]."""


class Sight(Protocol):
    """A source that every step of writing reads."""

    def attend_source(self, layer: int, q_BHTE: Tensor, look: Look) -> Tensor:
        """What the queries find in it, [B, H, T, E]."""


@dataclass
class Source:
    """An encoder's states for the blocks that read them: keys and values a layer, and which are real."""

    keys_values: list[tuple[Tensor, Tensor]]
    visible: Visible = None

    def attend_source(self, layer: int, q_BHTE: Tensor, look: Look) -> Tensor:
        return look(q_BHTE, *self.keys_values[layer], self.visible)


class Cache:
    """Holds up to `size` positions; `length` of them are filled. Rewinding forgets the newest."""

    def __init__(self, config: Stack, batch: int, size: int, dtype: torch.dtype, device: torch.device):
        shape = (config.layers, batch, config.kv_heads, size, config.head_width)
        self.keys = list(torch.zeros(shape, dtype=dtype, device=device))
        self.values = list(torch.zeros(shape, dtype=dtype, device=device))
        self.size, self.length = size, 0

    def rewind(self, length: int) -> None:
        """Keeps the first `length` positions."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot rewind a cache of {self.length} positions to {length}")
        self.length = length

    def reserve(self, new: int) -> None:
        """Raises InputError where `new` positions more would not fit."""
        if self.length + new > self.size:
            raise InputError(f"{self.length} + {new} tokens do not fit a cache of {self.size}", "cache")

    def select(self, rows: Tensor) -> None:
        """Keeps these rows of the batch, in this order; one may come several times."""
        self.keys = [keys[rows] for keys in self.keys]
        self.values = [values[rows] for values in self.values]

    def attend(
        self, layer: int, q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor, visible: Visible, look: Look
    ) -> Tensor:
        """The queries see all positions so far."""
        return look(q_BHTE, *self.append(layer, k_BKTE, v_BKTE), visible)

    def append(self, layer: int, k_BKTE: Tensor, v_BKTE: Tensor) -> tuple[Tensor, Tensor]:
        """Writes behind the filled positions; returns all keys and values so far, [B, K, S, E]."""
        end = self.length + k_BKTE.shape[2]
        self.keys[layer][:, :, self.length : end] = k_BKTE
        self.values[layer][:, :, self.length : end] = v_BKTE
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]
