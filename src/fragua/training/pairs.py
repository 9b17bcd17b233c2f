"""Pairs of spans of sentences, half of them from two documents (Devlin et al. 2018, 1810.04805, appendix A.2). Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

SHORT = 0.1
"""This share of pairs is shorter than a row, so that short texts are not strange."""
FOLLOWS, RANDOM = 0, 1
"""The labels, as BERT's published heads have them."""

Sentences = Sequence[np.ndarray]


class Pair(NamedTuple):
    """int64 [A] and [B], and FOLLOWS or RANDOM."""

    first: np.ndarray
    second: np.ndarray
    label: int


def pairs_of(
    sentences: Sentences,
    other: Callable[[np.random.Generator], Sentences],
    most: int,
    chance: np.random.Generator,
) -> list[Pair]:
    """All pairs of a document, of at most `most` tokens together; `other` gives a random other document's sentences.

    Sentences whose place a random second half has taken come again in the next pair."""
    pairs, place = [], 0
    while place < len(sentences):
        wanted = int(chance.integers(2, most + 1)) if chance.random() < SHORT else most
        end, length = place, 0
        while end < len(sentences) and length < wanted:
            length += len(sentences[end])
            end += 1
        cut = place + (1 if end - place == 1 else int(chance.integers(1, end - place)))
        first = np.concatenate(sentences[place:cut])
        if end - place == 1 or chance.random() < 0.5:
            second, label, place = _beginning(other(chance), wanted - len(first), chance), RANDOM, cut
        else:
            second, label, place = np.concatenate(sentences[cut:end]), FOLLOWS, end
        if len(first) and len(second):
            pairs.append(Pair(*_shortened(first, second, most, chance), label))
    return pairs


def _beginning(sentences: Sentences, wanted: int, chance: np.random.Generator) -> np.ndarray:
    """Sentences from a random one on, until there are as many tokens as wanted."""
    if not sentences:
        return np.empty(0, dtype=np.int64)
    start = end = int(chance.integers(len(sentences)))
    length = 0
    while end < len(sentences) and (length < wanted or end == start):
        length += len(sentences[end])
        end += 1
    return np.concatenate(sentences[start:end])


def _shortened(
    first: np.ndarray, second: np.ndarray, most: int, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens are taken from the longer of the two, at either end, until both fit."""
    while len(first) + len(second) > most:
        kept = slice(1, None) if chance.random() < 0.5 else slice(None, -1)
        if len(first) > len(second):
            first = first[kept]
        else:
            second = second[kept]
    return first, second
