"""Windows: rows out of few long texts, cut at another offset in every epoch, resumable exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from fragua.errors import InputError
from fragua.tokens.loader import Batch, fill, permutation
from fragua.tokens.packing import Placement
from fragua.tokens.shards import Shards


class Windows:
    """Endless epochs of windows of `context` tokens, none over the border of two documents, in a seeded order.

    Each epoch shows every prediction once, but for those of the first tokens of each document, fewer than a window,
    that its offset leaves out. Raises InputError where no document has two tokens."""

    def __init__(self, shards: Shards, context: int, seed: int):
        if not len(shards) or shards.lengths.max() < 2:
            raise InputError("no document has two tokens, so there is nothing to predict", shards.directory)
        self._shards, self._context, self._seed = shards, context, seed
        self._start_epoch(0)

    def rows(self, n: int) -> Batch:
        """The next `n` rows, going on into the next epoch where one ends."""
        rows = []
        for _ in range(n):
            if self._position == len(self._windows):
                self._start_epoch(self._epoch + 1)
            rows.append([Placement(*self._windows[self._order[self._position]].tolist())])
            self._position += 1
        return fill(self._shards, rows, self._context)

    def state(self) -> dict[str, Any]:
        """Everything that decides the rows to come, as JSON."""
        return self._identity() | {"epoch": self._epoch, "position": self._position}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on where `state` was taken. Raises InputError for a state of other data or settings."""
        for key, own in self._identity().items():
            if state.get(key) != own:
                what = f"the windows' state is of another {key} ({state.get(key)!r}, here {own!r})"
                raise InputError(what, mend="resume with the data and settings of the start")
        self._start_epoch(state["epoch"])
        self._position = state["position"]

    def _identity(self) -> dict[str, Any]:
        return {"windows": self._shards.digest, "context": self._context, "seed": self._seed}

    def _start_epoch(self, epoch: int) -> None:
        self._epoch, self._position = epoch, 0
        offset = int(permutation(self._context, self._seed + 1, epoch)[0])
        found = [
            (document, start, min(self._context, length - start))
            for document, length in enumerate(self._shards.lengths.tolist())
            for start in range(offset % max(1, min(self._context, length - 1)), length - 1, self._context)
        ]
        self._windows = np.array(found, dtype=np.int64)
        self._order = permutation(len(found), self._seed, epoch)
