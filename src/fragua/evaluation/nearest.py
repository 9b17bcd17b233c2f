"""The nearest text: cosine of TF-IDF vectors over character n-grams (Salton and Buckley 1988)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fragua.corpus.aldea.graders.text import normal

GRAM = 4
"""Characters of an n-gram; a word's borders are spaces. An n-gram counts once a text."""
COMMON = 0.2
"""An n-gram in more than this share of the texts tells them apart too little to be worth its time."""


class Nearest:
    """An inverted index: n-gram -> the texts that hold it."""

    def __init__(self, texts: Sequence[str]):
        found: dict[str, list[int]] = {}
        for number, text in enumerate(texts):
            for gram in _grams(text):
                found.setdefault(gram, []).append(number)
        most = max(1.0, COMMON * len(texts))
        self._rows = {gram: np.array(rows) for gram, rows in found.items() if len(rows) <= most}
        self._weights = {gram: np.log((1 + len(texts)) / len(rows)) ** 2 for gram, rows in self._rows.items()}
        squares = np.full(len(texts), 1e-9)
        for gram, rows in self._rows.items():
            squares[rows] += self._weights[gram]
        self._norms = np.sqrt(squares)

    def find(self, text: str) -> int:
        """The number of the most similar text, the first of equals; 0 where nothing is shared."""
        scores = np.zeros(len(self._norms))
        for gram in _grams(text):
            if gram in self._rows:
                scores[self._rows[gram]] += self._weights[gram]
        return int(np.argmax(scores / self._norms))


def _grams(text: str) -> dict[str, None]:
    """Each once, in the order of the text: sums come out the same in every process."""
    padded = f" {normal(text)} "
    return dict.fromkeys(padded[at : at + GRAM] for at in range(max(1, len(padded) - GRAM + 1)))
