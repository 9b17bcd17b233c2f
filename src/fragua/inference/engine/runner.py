"""The seam between the queue and the arithmetic: one forward over the rows of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fragua.inference.engine.store import PAGE, Store, gather, pages_for
from fragua.inference.engine.tiles import TILE, tiled
from fragua.models.cache import Look
from fragua.models.calls import Decoder
from fragua.models.visibility import Visible, causal


@dataclass(frozen=True)
class Part:
    """The rows of one request in a step: its positions `length - count` to `length`."""

    start: int
    """Where its rows begin among those of the step."""
    count: int
    length: int
    """Positions that are filled once the step is done; the last row is the last of them."""
    pages: Sequence[int]
    """Where all positions so far are stored: position p at pages[p // PAGE] · PAGE + p % PAGE."""


@dataclass(frozen=True)
class Step:
    """N rows of several requests, each request's side by side and in order."""

    ids: Sequence[int]
    parts: Sequence[Part]

    def positions(self) -> list[int]:
        return [place for part in self.parts for place in range(part.length - part.count, part.length)]

    def slots(self) -> list[int]:
        """Where in the store each row's keys and values go."""
        return [
            part.pages[place // PAGE] * PAGE + place % PAGE
            for part in self.parts
            for place in range(part.length - part.count, part.length)
        ]


class Runner(Protocol):
    """The model's arithmetic. Keys and values stay in the store that it was made with."""

    store: Store

    def states(self, step: Step) -> Tensor:
        """The stream after the last norm, a row for each of the step's at least, [N or more, D]; the keys and values
        of all rows are stored."""

    def logits(self, x_WD: Tensor) -> Tensor:
        """[W, V] of some of those rows."""


class TorchRunner:
    """The model's own modules, row by row of a step; attention request by request."""

    def __init__(self, model: Decoder, store: Store, deterministic: bool = False):
        """`deterministic`: a row's numbers do not depend on the rows beside it (see `tiles`)."""
        self.store, self.deterministic = store, deterministic
        self.model = tiled(model) if deterministic else model

    @torch.inference_mode()
    def states(self, step: Step) -> Tensor:
        transformer, device = self.model.transformer, self.model.device
        padding = [0] * (-len(step.ids) % TILE if self.deterministic else 0)
        ids_1N = torch.tensor([*step.ids, *padding], device=device)[None]
        positions_1N = torch.tensor([*step.positions(), *padding], device=device)[None]
        slots_N = torch.tensor([*step.slots(), *padding], device=device)
        x_1ND = transformer.position.embed(transformer.embedding(ids_1N), positions_1N)
        tables = transformer.position.tables(positions_1N, x_1ND.dtype)
        views = [view for part in step.parts for view in self._views(part)]
        memory = StepMemory(self.store, slots_N, views)
        nothing: list[Visible] = [None] * transformer.config.layers
        return transformer.run(x_1ND, nothing, tables, memory)[0]

    @torch.inference_mode()
    def logits(self, x_WD: Tensor) -> Tensor:
        width = len(x_WD)
        if self.deterministic:
            x_WD = torch.cat((x_WD, x_WD.new_zeros(-width % TILE, x_WD.shape[1])))
        return self.model.head(self.model.before_head(x_WD))[:width]

    def _views(self, part: Part) -> list[View]:
        """All rows of the part at once, or, to be the same whatever was computed with them, those of each tile of
        positions, seeing as many keys as the tile ends at."""
        if not self.deterministic:
            return [self._view(part, part.start, part.count, part.length, part.count, 0)]
        views, row, place = [], part.start, part.length - part.count
        while place < part.length:
            end = (place // TILE + 1) * TILE
            count = min(end, part.length) - place
            views.append(self._view(part, row, count, end, TILE, place % TILE))
            row, place = row + count, place + count
        return views

    def _view(self, part: Part, start: int, count: int, keys: int, queries: int, offset: int) -> View:
        masks = self.model.transformer.masks(None, queries, keys)
        if 1 < queries < keys:
            seen = causal(queries, keys, self.model.device)
            masks = [seen if mask is None else mask for mask in masks]
        pages = part.pages[: pages_for(keys)]
        together = pages[-1] - pages[0] == len(pages) - 1 and list(pages) == list(
            range(pages[0], pages[-1] + 1)
        )
        index = None if together else torch.tensor(pages, device=self.model.device)
        return View(start, count, keys, queries, offset, pages[0] * PAGE, index, masks)


@dataclass(frozen=True)
class View:
    """Rows that look at the same keys: those of one request."""

    start: int
    count: int
    keys: int
    queries: int
    """Rows that are computed; `offset` of padding stand before those meant, the rest behind."""
    offset: int
    first: int
    """The slot of position 0, where all lie side by side."""
    pages: Tensor | None
    """Where they do not."""
    masks: Sequence[Visible]

    def read(self, pool_KPE: Tensor) -> Tensor:
        """[1, K, S, E]"""
        if self.pages is None:
            return pool_KPE[None, :, self.first : self.first + self.keys]
        return gather(pool_KPE, self.pages, self.keys)


class StepMemory:
    """A step's rows side by side as one text: each request's look only at its own pages."""

    def __init__(self, store: Store, slots_N: Tensor, views: Sequence[View]):
        self.store, self.slots_N, self.views = store, slots_N, views

    def attend(
        self, layer: int, q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor, visible: Visible, look: Look
    ) -> Tensor:
        keys, values = self.store.keys[layer], self.store.values[layer]
        keys.index_copy_(1, self.slots_N, k_BKTE[0])
        values.index_copy_(1, self.slots_N, v_BKTE[0])
        y_BHTE = torch.zeros_like(q_BHTE)
        for view in self.views:
            rows = slice(view.start, view.start + view.count)
            q_1HTE = q_BHTE[:, :, rows]
            if view.queries != view.count:
                whole = q_1HTE.new_zeros(*q_1HTE.shape[:2], view.queries, q_1HTE.shape[3])
                whole[:, :, view.offset : view.offset + view.count] = q_1HTE
                q_1HTE = whole
            found = look(q_1HTE, view.read(keys), view.read(values), view.masks[layer])
            y_BHTE[:, :, rows] = found[:, :, view.offset : view.offset + view.count]
        return y_BHTE
