"""Feedback from files, whatever form it is kept in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fragua.alignment.examples import Example
from fragua.alignment.feedback.events import Undo, Verdict, examples, parse_event
from fragua.errors import InputError
from fragua.files import read_jsonl


def read_feedback(path: str | Path) -> list[Example]:
    """What an event log teaches. Raises InputError for a file that is not there, or with `path:line` for a broken
    row."""
    if not Path(path).is_file():
        raise InputError("no such file", path, "a log of feedback is needed")

    def events() -> Iterator[Verdict | Undo]:
        for number, row in read_jsonl(path):
            yield parse_event(row, f"{path}:{number}")

    return list(examples(events()))
