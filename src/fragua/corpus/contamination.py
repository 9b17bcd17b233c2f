"""Decontamination: texts that hold a run of words of an evaluation's questions (Brown et al. 2020, appendix C)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fragua.corpus.document import Reading
from fragua.corpus.formats import FORMATS
from fragua.corpus.opening import opened, suffix
from fragua.corpus.words import words
from fragua.errors import InputError
from fragua.files import numbered_lines, parse_row, read_json

RUN_WORDS = 13
LEAST_WORDS = 8
"""A probe's text of fewer words is too common to convict anyone; one between the two must stand there whole."""


class Probe:
    """The runs of words of all probes; memory grows with the probes, not with the texts."""

    def __init__(self, texts: Iterable[str], run: int = RUN_WORDS):
        self._runs: dict[int, set[str]] = {}
        for text in texts:
            told = words(text)
            length = min(run, len(told))
            if length >= min(LEAST_WORDS, run):
                self._runs.setdefault(length, set()).update(runs(told, length))

    def __len__(self) -> int:
        return sum(map(len, self._runs.values()))

    def find(self, text: str) -> str | None:
        """The first run of words that the text shares with a probe, longest runs first; None without."""
        told = words(text)
        for length in sorted(self._runs, reverse=True):
            known = self._runs[length]
            found = next((each for each in runs(told, length) if each in known), None)
            if found is not None:
                return found
        return None


def runs(told: list[str], length: int) -> Iterator[str]:
    return (" ".join(told[at : at + length]) for at in range(len(told) - length + 1))


def read_probe(path: Path) -> Iterator[str]:
    """Every text of a probe: all strings anywhere in its JSON or JSONL, else the documents of its format.

    Raises InputError for a file that is missing, broken or of an unknown kind."""
    kind = suffix(path)
    if kind == ".json":
        yield from _strings(read_json(path))
    elif kind == ".jsonl":
        with opened(path) as file:
            for number, raw in numbered_lines(file, path):
                yield from _strings(parse_row(raw, f"{path}:{number}"))
    elif kind in FORMATS:
        for document in FORMATS[kind](path, Reading()):
            yield from document.text.split("\n\n")
    else:
        known = ", ".join((".json", *FORMATS))
        raise InputError(f"unknown kind of file '{kind or path.name}'", path, f"known: {known}")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
