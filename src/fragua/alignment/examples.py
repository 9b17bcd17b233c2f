"""What is learned from feedback: the five forms that training knows. A form is chosen by its type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Messages = tuple[dict[str, Any], ...]
"""OpenAI's form; the last one is the user's."""


@dataclass(frozen=True)
class Pair:
    """`chosen` is preferred to `rejected`; of a `tie`, neither is."""

    prompt: Messages
    chosen: str
    rejected: str
    margin: float = 0.0
    """By how much, in units of reward (0: not told)."""
    tie: bool = False
    annotator: str = ""


@dataclass(frozen=True)
class Choice:
    """The best of several answers; nothing is told about the others."""

    prompt: Messages
    answers: tuple[str, ...]
    best: int
    annotator: str = ""


@dataclass(frozen=True)
class Unpaired:
    """An answer that somebody called good or bad."""

    prompt: Messages
    answer: str
    good: bool
    annotator: str = ""


@dataclass(frozen=True)
class Rated:
    """An answer and its mark, from 1 to `levels`."""

    prompt: Messages
    answer: str
    rating: int
    levels: int
    annotator: str = ""


@dataclass(frozen=True)
class Target:
    """An answer to learn by heart, as in fine-tuning."""

    prompt: Messages
    answer: str
    annotator: str = ""


Example = Pair | Choice | Unpaired | Rated | Target


def pairs(examples: Iterable[Example], ties: bool = False) -> list[Pair]:
    return [row for row in examples if isinstance(row, Pair) and (ties or not row.tie)]


def unpaired(examples: Iterable[Example]) -> Iterator[Unpaired]:
    """Single verdicts; a pair's chosen answer counts as good and its rejected one as bad, a tie as neither."""
    for row in examples:
        if isinstance(row, Unpaired):
            yield row
        elif isinstance(row, Pair) and not row.tie:
            yield Unpaired(row.prompt, row.chosen, True, row.annotator)
            yield Unpaired(row.prompt, row.rejected, False, row.annotator)
