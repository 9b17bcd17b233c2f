"""A text on its way into a corpus, and how its source is to be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fragua.errors import InputError
from fragua.files import raised

UNKNOWN = "und"
"""ISO 639-2 for a language that nobody told."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text as its source gives it; `changes` names what reading did to it."""

    text: str
    source: str
    lang: str = UNKNOWN
    genre: str = ""
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """`broken` is told of a row that can't be read; it raises, or returns to have the row passed over."""

    column: str = "text"
    encoding: str | None = None
    broken: Callable[[InputError], None] = raised
