"""Feedback from files, whatever form it is kept in."""

from __future__ import annotations

from pathlib import Path

from fragua.alignment.examples import Example
from fragua.alignment.feedback.events import examples
from fragua.alignment.feedback.formats import read_events


def read_feedback(path: str | Path) -> list[Example]:
    """What an event log teaches, or a file of another program's preferences. Raises InputError for a file that is
    not there, or with `path:line` for a broken row."""
    return list(examples(read_events(path)))
