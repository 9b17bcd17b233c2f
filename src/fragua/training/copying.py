"""Copying lessons: early in pretraining some rows hold random tokens said twice, which only copying can predict.

They bring forward the use of what stands in the prompt (docs/decisions/0007)."""

from __future__ import annotations

import numpy as np

from fragua.tokens.loader import NO_LOSS, Batch

EVERY = 4
"""One row in so many is a lesson while they last."""
SAID = 16
"""Tokens said and said again: the shorter, the sooner it is learned."""
STEPS = 200
"""Steps with lessons, or a quarter of all where that is less (docs/decisions/0007)."""
_DOCUMENTS = 2**30
"""Numbers of the lessons as documents, far above those of the shards."""


class CopyingLessons:
    """The first `rows` rows of a training: which of them are lessons, and their content, by number and seed alone."""

    def __init__(self, rows: int, context: int, tokens: np.ndarray, seed: int):
        """tokens int64 [N]: what may be said."""
        self.rows, self.context, self.tokens, self.seed = rows, context, tokens, seed
        if context < 2 * SAID or len(tokens) < SAID:
            self.rows = 0

    def above(self, text: Batch, numbers: list[int]) -> Batch:
        """The lessons of these numbers, then the rows of text."""
        if not numbers:
            return text
        parts = zip(*map(self._row, numbers), strict=True)
        return Batch(*(np.concatenate([np.stack(new), old]) for new, old in zip(parts, text, strict=True)))

    def numbers(self, first: int, rows: int) -> list[int]:
        """Which of `rows` rows from number `first` on are lessons."""
        return [number for number in range(first, min(first + rows, self.rows)) if number % EVERY == 0]

    def _row(self, number: int) -> Batch:
        """ids, targets and documents, [T] each; loss only on what is said again."""
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, number])))
        said_NS = np.stack(
            [rng.choice(self.tokens, SAID, replace=False) for _ in range(self.context // (2 * SAID))]
        )
        ids = np.concatenate([said_NS, said_NS], axis=1)
        targets = np.full_like(ids, NO_LOSS)
        targets[:, SAID - 1 : -1] = said_NS
        documents = np.repeat(_DOCUMENTS + np.arange(len(ids), dtype=np.int32), 2 * SAID)
        rest = self.context - ids.size
        return Batch(
            np.pad(ids.ravel(), (0, rest), constant_values=ids[0, 0]),
            np.pad(targets.ravel(), (0, rest), constant_values=NO_LOSS),
            np.pad(documents, (0, rest), constant_values=-1),
        )
