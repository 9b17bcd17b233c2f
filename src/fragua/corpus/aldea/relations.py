"""The phrasings of every relation in each language, read once from the data tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from fragua.corpus.aldea.names import table


@dataclass(frozen=True, slots=True)
class Phrasings:
    pred: tuple[str, ...]
    inv: tuple[str, ...]
    sent: tuple[str, ...]
    first: tuple[str, ...]
    q: tuple[str, ...]
    a: tuple[str, ...]
    rq: tuple[str, ...]
    ra: tuple[str, ...]
    ind: str


@cache
def phrasings(lang: str) -> dict[str, Phrasings]:
    """Relation -> its phrasings."""
    keys = ("pred", "inv", "sent", "first", "q", "a", "rq", "ra")
    rows = table(f"relations.{lang}.toml")
    return {
        name: Phrasings(**{key: tuple(row.get(key, ())) for key in keys}, ind=row["ind"])
        for name, row in rows.items()
    }


@cache
def frames(lang: str) -> dict[str, Any]:
    """The frames around statements: `wrap`, `two`, `three`, `elided` (how many of those need no name), `pronoun`."""
    return table(f"phrases.{lang}.toml")


@cache
def genre_text(name: str) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """What a genre says besides facts: part -> (Spanish, English)."""
    return {
        part: (tuple(texts["es"]), tuple(texts["en"])) for part, texts in table(f"genre.{name}.toml").items()
    }
