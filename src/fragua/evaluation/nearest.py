"""The nearest text: cosine of TF-IDF vectors over n-grams of bytes (Salton and Buckley 1988)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fragua.corpus.aldea.graders.text import normal

GRAM = 4
"""Bytes of an n-gram, a letter each in normal form; a word's borders are spaces. An n-gram counts once a text."""
COMMON = 0.2
"""An n-gram in more than this share of the texts tells them apart too little to be worth its time."""
TEXT_BITS = 32


class Nearest:
    """An inverted index: for each n-gram the texts that hold it, one after the other in one array."""

    def __init__(self, texts: Sequence[str]):
        written = [_written(text) for text in texts]
        codes = _codes(b"".join(written))
        owner = np.repeat(np.arange(len(texts)), [len(each) for each in written])
        text_of = owner[: len(codes)]
        whole = text_of == owner[GRAM - 1 :]
        pairs = np.sort(codes[whole].astype(np.uint64) << TEXT_BITS | text_of[whole].astype(np.uint64))
        pairs = pairs[_firsts(pairs)]
        grams, self._rows = pairs >> TEXT_BITS, (pairs & (2**TEXT_BITS - 1)).astype(np.int64)
        starts = np.flatnonzero(_firsts(grams))
        self._grams, self._ends = grams[starts], np.append(starts, len(grams))
        counts = np.diff(self._ends)
        self._weights = np.where(
            counts <= max(1.0, COMMON * len(texts)), np.log((1 + len(texts)) / counts) ** 2, 0.0
        )
        squares = np.bincount(self._rows, np.repeat(self._weights, counts), len(texts))
        self._norms = np.sqrt(1e-9 + squares)

    def find(self, text: str) -> int:
        """The number of the most similar text, the first of equals; 0 where nothing is shared."""
        scores = np.zeros(len(self._norms))
        asked = np.unique(_codes(_written(text)))
        found = np.searchsorted(self._grams[:-1], asked)
        for at in found[(self._grams[found] == asked) & (self._weights[found] > 0)]:
            scores[self._rows[self._ends[at] : self._ends[at + 1]]] += self._weights[at]
        return int(np.argmax(scores / self._norms))


def _firsts(values: np.ndarray) -> np.ndarray:
    """Where another value begins, bool [N]."""
    return np.concatenate([[True], values[1:] != values[:-1]])


def _written(text: str) -> bytes:
    """In normal form between spaces, an n-gram long at least."""
    return f" {normal(text)} ".ljust(GRAM).encode()


def _codes(text: bytes) -> np.ndarray:
    """Each n-gram as a number, uint32 [len(text) - GRAM + 1]."""
    letters = np.frombuffer(text, np.uint8).astype(np.uint32)
    last = len(letters) - GRAM + 1
    return sum((letters[at : last + at] << (8 * at) for at in range(1, GRAM)), letters[:last])
