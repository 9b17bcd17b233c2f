"""The loader: endless epochs of packed rows in a seeded order, resumable exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from fragua.errors import InputError
from fragua.tokens.packing import LOOKAHEAD, Packer, Placement, pack
from fragua.tokens.shards import Shards

NO_LOSS = -100
NO_DOCUMENT = -1


class Batch(NamedTuple):
    """`ids_BT` int64, `targets_BT` int64 (-100: no loss) and `documents_BT` int32: the number in the shards
    of the document that a token is of, -1 for padding."""

    ids_BT: np.ndarray
    targets_BT: np.ndarray
    documents_BT: np.ndarray


class Loader:
    """Each epoch shows every prediction of every document once, in an order that `seed` and epoch decide.

    `split_long=True` is for documents: rows are full, long documents go on in later rows. `split_long=False`
    is for conversations: each stands whole in one row; one longer than `context` is cut at the end, or left
    out where that leaves nothing to learn. `counts` tells how many: `truncated`, `dropped` (conversations),
    `cut_tokens`, `placed_tokens`, `padding`.
    Raises InputError where no document has a prediction."""

    def __init__(self, shards: Shards, context: int, seed: int, split_long: bool = True):
        if context < 1:
            raise InputError(f"a context of {context} holds nothing")
        if not len(shards) or shards.lengths.max() < 2:
            raise InputError("no document has two tokens, so there is nothing to predict", shards.directory)
        self._shards, self._context, self._seed, self._split_long = shards, context, seed, split_long
        self._start_epoch(0)
        self.counts = {"truncated": 0, "dropped": 0, "cut_tokens": 0, "placed_tokens": 0, "padding": 0}

    @property
    def epoch(self) -> float:
        """Epochs read so far: 1.25 is a quarter through the second."""
        waiting = sum(length for _, _, length in self._packer.state())
        return self._epoch + max(self._read_tokens - waiting, 0) / self._shards.tokens

    def rows(self, n: int) -> Batch:
        """The next `n` rows, going on into the next epoch where one ends."""
        return fill(self._shards, [self._next_row() for _ in range(n)], self._context)

    def state(self) -> dict[str, Any]:
        """Everything that decides the rows to come, as JSON: a few kilobytes whatever the corpus's size."""
        return {
            "shards": self._shards.digest,
            "context": self._context,
            "seed": self._seed,
            "split_long": self._split_long,
            "epoch": self._epoch,
            "position": self._position,
            "read_tokens": self._read_tokens,
            "pieces": self._packer.state(),
            "counts": dict(self.counts),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on where `state` was taken. Raises InputError for a state of other data or settings."""
        own = self.state()
        for key in ("shards", "context", "seed", "split_long"):
            if state.get(key) != own[key]:
                raise InputError(
                    f"the loader's state is of another {key} ({state.get(key)!r}, here {own[key]!r})",
                    mend="resume with the data and settings of the start",
                )
        self._start_epoch(state["epoch"])
        self._position, self._read_tokens = state["position"], state["read_tokens"]
        for document, start, length in state["pieces"]:
            self._packer.add(document, length, start)
        self.counts = dict(state["counts"])

    def _start_epoch(self, epoch: int) -> None:
        self._epoch, self._position, self._read_tokens = epoch, 0, 0
        self._order = permutation(len(self._shards), self._seed, epoch)
        self._packer = Packer(self._context, self._split_long)

    def _next_row(self) -> list[Placement]:
        """A packed row; where an epoch has ended (or leaves nothing), the first of the next."""
        for _ in range(2):
            self._refill()
            if row := self._packer.row():
                placed = sum(placement.length for placement in row)
                self.counts["placed_tokens"] += placed
                self.counts["padding"] += self._context - placed
                return row
            self._start_epoch(self._epoch + 1)
        raise InputError(
            f"nothing to learn within a context of {self._context} tokens", self._shards.directory, "raise it"
        )

    def _refill(self) -> None:
        while len(self._packer) < LOOKAHEAD and self._position < len(self._order):
            document = int(self._order[self._position])
            self._position += 1
            length = int(self._shards.lengths[document])
            self._read_tokens += length
            if length > self._context and not self._split_long:
                kept = length_in_row(self._shards, document, self._context)
                self.counts["truncated" if kept else "dropped"] += 1
                self.counts["cut_tokens"] += length - kept
                length = kept
            if length > 1:
                self._packer.add(document, length)


def evaluation_rows(shards: Shards, context: int, rows: int = 8, split_long: bool = True) -> Iterator[Batch]:
    """One pass in the documents' own order, in batches of `rows` rows, the last filled up with padding."""
    lengths = shards.lengths.tolist()
    if not split_long:
        lengths = [n if n <= context else length_in_row(shards, i, context) for i, n in enumerate(lengths)]
    packed = pack(lengths, context, split_long)
    while batch := list(islice(packed, rows)):
        yield fill(shards, batch + [[]] * (rows - len(batch)), context)


def length_in_row(shards: Shards, document: int, context: int) -> int:
    """The length of a conversation longer than a row: cut to it, 0 where that leaves no trained token."""
    trained = shards.slice(document, 1, context + 1).trained
    return context if trained is None or trained.any() else 0


def permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    """int64 [n]: an order of n documents by raw PCG64 bits, the same on every platform and numpy."""
    bits = np.random.PCG64(np.random.SeedSequence([seed, epoch])).random_raw(n)
    return np.argsort(bits, kind="stable")


def fill(shards: Shards, rows: Sequence[Iterable[Placement]], context: int) -> Batch:
    """Rows of placements as arrays [len(rows), context]."""
    ids_BT = np.full((len(rows), context), shards.pad_id, dtype=np.int64)
    targets_BT = np.full((len(rows), context), NO_LOSS, dtype=np.int64)
    documents_BT = np.full((len(rows), context), NO_DOCUMENT, dtype=np.int32)
    for ids_T, targets_T, documents_T, row in zip(ids_BT, targets_BT, documents_BT, rows, strict=True):
        place = 0
        for document, start, length in row:
            ids, trained = shards.slice(document, start, start + length + 1)  # and the token after
            end, targets = place + length, len(ids) - 1
            ids_T[place:end] = ids[:length]
            documents_T[place:end] = document
            following = targets_T[place : place + targets]
            following[:] = ids[1:]
            if trained is not None:
                following[~trained[1:]] = NO_LOSS
            place = end
    return Batch(ids_BT, targets_BT, documents_BT)
