"""Keys and values of all requests, in pages of a fixed number of positions that requests may share."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from fragua.errors import InputError
from fragua.models.config import Stack

PAGE = 16
"""Positions a page."""


class Store:
    """`keys[layer]`, `values[layer]`: [K, pages · PAGE, E]. Page 0 takes what rows of padding write."""

    def __init__(self, config: Stack, pages: int, dtype: torch.dtype, device: torch.device):
        shape = (config.kv_heads, pages * PAGE, config.head_width)
        self.keys = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.layers)]
        self.values = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(config.layers)]

    @staticmethod
    def page_bytes(config: Stack, dtype: torch.dtype) -> int:
        return 2 * config.layers * config.kv_heads * config.head_width * PAGE * dtype.itemsize


class Pages:
    """Which pages are held by how many requests, and which hold a prefix that another request may begin with.

    A page nobody holds keeps its prefix until it is taken; the one longest unused is taken first. A request's pages
    lie side by side where that is possible, so that it can read them in place."""

    def __init__(self, count: int):
        self.count = count
        self.holders = [0] * count
        self.holders[0] = 1
        self.empty = set(range(1, count))
        self.idle: OrderedDict[int, None] = OrderedDict()
        """Held by nobody, with a prefix: the longest unused first."""
        self._found: dict[tuple[int, tuple[int, ...]], int] = {}
        self._keys: dict[int, tuple[int, tuple[int, ...]]] = {}
        self._names = [0] * count
        self._next_name = 1

    @property
    def free(self) -> int:
        """Pages that can be taken."""
        return len(self.empty) + len(self.idle)

    @property
    def held(self) -> int:
        return self.count - 1 - self.free

    def take(self, after: int | None = None) -> int | None:
        """A page for one holder, if possible the one after `after`; None where all are held."""
        if after is not None and after + 1 < self.count and self.holders[after + 1] == 0:
            page = after + 1
        elif self.empty:
            page = self._amid_emptiness()
        elif self.idle:
            page = next(iter(self.idle))
        else:
            return None
        self.empty.discard(page)
        self.idle.pop(page, None)
        self._forget(page)
        self.holders[page] = 1
        return page

    def hold(self, page: int) -> None:
        """One holder more."""
        self.idle.pop(page, None)
        self.holders[page] += 1

    def release(self, pages: Sequence[int]) -> None:
        """One holder less of each; the last pages of a text are the first to be taken again."""
        for page in reversed(pages):
            self.holders[page] -= 1
            if self.holders[page] == 0 and page in self._keys:
                self.idle[page] = None
            elif self.holders[page] == 0:
                self.empty.add(page)

    def match(self, ids: Sequence[int]) -> list[int]:
        """The pages that hold the start of `ids`, compared token by token. Holds none of them."""
        pages: list[int] = []
        name = 0
        for start in range(0, len(ids) - PAGE + 1, PAGE):
            page = self._found.get((name, tuple(ids[start : start + PAGE])))
            if page is None:
                break
            pages.append(page)
            name = self._names[page]
        return pages

    def publish(self, before: int | None, page: int, ids: Sequence[int]) -> None:
        """`page` is full: it holds `ids`, behind what the page `before` ends. Of two that hold the same, the first
        is found."""
        key = (0 if before is None else self._names[before], tuple(ids))
        if page in self._keys or key in self._found or (before is not None and before not in self._keys):
            return
        self._found[key], self._keys[page] = page, key
        self._names[page], self._next_name = self._next_name, self._next_name + 1

    def _forget(self, page: int) -> None:
        key = self._keys.pop(page, None)
        if key is not None:
            del self._found[key]
            self._names[page] = 0

    def _amid_emptiness(self) -> int:
        """The middle of the longest run of empty pages, so that both neighbours can grow."""
        best, start, previous = (0, 0), 0, -1
        for page in sorted(self.empty):
            if page != previous + 1:
                start = page
            previous = page
            best = max(best, (page - start + 1, start))
        length, start = best
        return start if start == 1 else start + length // 2


def pages_for(positions: int) -> int:
    return -(-positions // PAGE)


def page_count(
    config: Stack, dtype: torch.dtype, device: torch.device, cache_bytes: int | None, max_running: int
) -> int:
    """Pages within `cache_bytes`, one for padding among them. Default: as many as `max_running` whole contexts need,
    within a quarter of the memory, but for one context at least.

    Raises InputError where not even one fits."""
    size = Store.page_bytes(config, dtype)
    if cache_bytes is None:
        context = pages_for(config.context) * (2 if config.encoder_layers else 1)
        return 1 + max(context, min(max_running * context, memory_bytes(device) // 4 // size))
    if cache_bytes < 2 * size:
        raise InputError(f"{cache_bytes} bytes are too few", "cache_bytes", f"{2 * size} at least")
    return cache_bytes // size


def memory_bytes(device: torch.device) -> int:
    """Of the machine, or of the accelerator."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def gather(pool_KPE: Tensor, pages: Tensor, positions: int) -> Tensor:
    """A copy of the first `positions` of these pages, [1, K, S, E]."""
    pool_KNFE = pool_KPE.unflatten(1, (-1, PAGE))
    return pool_KNFE.index_select(1, pages).flatten(1, 2)[None, :, :positions]
