"""Pairs of texts: what is read and what is to be written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fragua.errors import InputError
from fragua.files import read_jsonl

MEND = 'a row is {"source": "…", "target": "…"}, with "prefix" if wanted'


class SourceTarget(NamedTuple):
    """A text with its prefix before it, the text that answers it, and where the pair stands."""

    source: str
    target: str
    place: str


def read_pairs(path: str | Path) -> Iterator[SourceTarget]:
    """Rows `{"source", "target", "prefix"?}` of a JSONL file, streamed; other columns are passed over.

    Raises InputError with `path:line` for a row that is not such a pair."""
    for number, row in read_jsonl(path):
        yield pair_of(row, f"{path}:{number}")


def pair_of(row: dict[str, Any], place: str) -> SourceTarget:
    """Raises InputError at `place` for a row that is no pair."""
    prefix = _text(row, "prefix", place) if row.get("prefix") is not None else ""
    return SourceTarget(prefix + _text(row, "source", place), _text(row, "target", place), place)


def _text(row: dict[str, Any], name: str, place: str) -> str:
    text = row.get(name)
    if not isinstance(text, str) or (name != "prefix" and not text.strip()):
        raise InputError(f'the row has no "{name}"', place, MEND)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f'lone surrogate at character {error.start} of "{name}"', place) from error
    return text
