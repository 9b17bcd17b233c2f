"""The seam between the queue and the arithmetic: one forward over the rows of a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from fragua.inference.engine.store import PAGE, Store, gather, pages_for
from fragua.inference.engine.tiles import TILE, tiled
from fragua.inference.reading import GenerativeModel
from fragua.models.cache import Look
from fragua.models.encoder_decoder import EncoderDecoder
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
    source: Sequence[int] = ()
    """Encoder-decoders: the pages of the source's keys and values."""
    source_length: int = 0


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

    def read_source(self, ids: Sequence[int], pages: Sequence[int]) -> None:
        """Encoder-decoders: encodes a source and stores what cross-attention reads of it, position p as in Part."""


class TorchRunner:
    """The model's own modules, row by row of a step; attention request by request."""

    def __init__(self, model: GenerativeModel, store: Store, deterministic: bool = False):
        """`deterministic`: a row's numbers do not depend on the rows beside it (see `tiles`)."""
        self.store, self.deterministic = store, deterministic
        self.model = tiled(model) if deterministic else model

    @torch.inference_mode()
    def states(self, step: Step) -> Tensor:
        transformer, device = self.model.transformer, self.model.device
        # elementwise functions, too, may treat the last rows of an odd number otherwise
        padding = [0] * (-len(step.ids) % TILE if self.deterministic else 0)
        ids_1N = torch.tensor([*step.ids, *padding], device=device)[None]
        positions_1N = torch.tensor([*step.positions(), *padding], device=device)[None]
        slots_N = torch.tensor([*step.slots(), *padding], device=device)
        x_1ND = transformer.position.embed(transformer.embedding(ids_1N), positions_1N)
        tables = transformer.position.tables(positions_1N, x_1ND.dtype)
        nothing: list[Visible] = [None] * transformer.config.layers
        memory = StepMemory(self.store, slots_N, self._views(step.parts))
        source = StepSource(self.store, self._source_views(step.parts)) if step.parts[0].source else None
        return transformer.run(x_1ND, nothing, tables, memory, source)[0]

    @torch.inference_mode()
    def logits(self, x_WD: Tensor) -> Tensor:
        return self.model.head(self.model.before_head(x_WD))

    @torch.inference_mode()
    def read_source(self, ids: Sequence[int], pages: Sequence[int]) -> None:
        assert isinstance(self.model, EncoderDecoder), "only an encoder-decoder has sources"
        ids_1S = torch.tensor([ids], device=self.model.device)
        slots = [pages[place // PAGE] * PAGE + place % PAGE for place in range(len(ids))]
        slots_S = torch.tensor(slots, device=self.model.device)
        for layer, (keys, values) in enumerate(self.model.source(self.model.encode(ids_1S)).keys_values):
            self.store.keys[layer].index_copy_(1, slots_S, keys[0])
            self.store.values[layer].index_copy_(1, slots_S, values[0])

    def _tiles(self, part: Part) -> Iterator[tuple[Rows, int]]:
        """All rows of the part at once, or, to be the same whatever was computed with them, those of each tile of
        positions, seeing as many keys as the tile ends at."""
        if not self.deterministic:
            yield Rows(part.start, part.count, part.count, 0), part.length
            return
        row, place = part.start, part.length - part.count
        while place < part.length:
            end = (place // TILE + 1) * TILE
            count = min(end, part.length) - place
            yield Rows(row, count, TILE, place % TILE), end
            row, place = row + count, place + count

    def _views(self, parts: Sequence[Part]) -> list[View]:
        """What each request's rows see of its own text."""
        views = []
        for part in parts:
            for rows, keys in self._tiles(part):
                masks = self.model.transformer.masks(None, rows.queries, keys)
                if 1 < rows.queries < keys:
                    seen = causal(rows.queries, keys, self.model.device)
                    masks = [seen if mask is None else mask for mask in masks]
                views.append(View(rows, Span.of(part.pages, keys, self.model.device), masks))
        return views

    def _source_views(self, parts: Sequence[Part]) -> list[View]:
        """What they see of its source: all of it."""
        masks: list[Visible] = [None] * self.model.config.layers
        return [
            View(rows, Span.of(part.source, part.source_length, self.model.device), masks)
            for part in parts
            for rows, _ in self._tiles(part)
        ]


class Rows(NamedTuple):
    """Rows of a step that look together: `size` from `start` on, computed as `queries` rows of which `offset` stand
    before them."""

    start: int
    size: int
    queries: int
    offset: int


@dataclass(frozen=True)
class Span:
    """The first `length` positions that are stored in some pages."""

    length: int
    first: int
    """The slot of position 0, where all lie side by side."""
    pages: Tensor | None
    """Where they do not."""

    @classmethod
    def of(cls, pages: Sequence[int], length: int, device: torch.device) -> Span:
        used = list(pages[: pages_for(length)])
        together = used == list(range(used[0], used[0] + len(used)))
        return cls(length, used[0] * PAGE, None if together else torch.tensor(used, device=device))

    def read(self, pool_KPE: Tensor) -> Tensor:
        """[1, K, S, E], in place where that is possible."""
        if self.pages is None:
            return pool_KPE[None, :, self.first : self.first + self.length]
        return gather(pool_KPE, self.pages, self.length)


class View(NamedTuple):
    """Rows and what they look at; a mask a layer."""

    rows: Rows
    span: Span
    masks: Sequence[Visible]


class StepSource:
    """A step's rows side by side as one text: each request's look only at what is theirs."""

    def __init__(self, store: Store, views: Sequence[View]):
        self.store, self.views = store, views

    def attend_source(self, layer: int, q_BHTE: Tensor, look: Look) -> Tensor:
        keys, values = self.store.keys[layer], self.store.values[layer]
        y_BHTE = torch.zeros_like(q_BHTE)
        for (start, count, queries, offset), span, masks in self.views:
            q_1HTE = q_BHTE[:, :, start : start + count]
            if queries != count:
                q_1HTE = F.pad(q_1HTE, (0, 0, offset, queries - offset - count))
            found = look(q_1HTE, span.read(keys), span.read(values), masks[layer])
            y_BHTE[:, :, start : start + count] = found[:, :, offset : offset + count]
        return y_BHTE


class StepMemory(StepSource):
    """The same for their own texts, to which the step adds."""

    def __init__(self, store: Store, slots_N: Tensor, views: Sequence[View]):
        super().__init__(store, views)
        self.slots_N = slots_N

    def attend(
        self, layer: int, q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor, visible: Visible, look: Look
    ) -> Tensor:
        self.store.keys[layer].index_copy_(1, self.slots_N, k_BKTE[0])
        self.store.values[layer].index_copy_(1, self.slots_N, v_BKTE[0])
        return self.attend_source(layer, q_BHTE, look)
