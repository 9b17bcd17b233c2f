"""The log of feedback: JSONL, an event a line, only ever appended to."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

from fragua.alignment.feedback.events import Undo, Verdict, parse_event
from fragua.errors import InputError
from fragua.files import append_lines, lock, numbered_lines, parse_row

OnBroken = Callable[[InputError], None]


class EventLog:
    """What stands in a log, kept up with what this and other processes append.

    A line that was being written when its writer was killed has no end, and is broken; `on_broken` is given
    the error of each broken line, which names it by its number. Without it the error is raised."""

    def __init__(self, path: str | Path, on_broken: OnBroken | None = None):
        self.path, self.on_broken = Path(path), on_broken
        self.events: list[Verdict | Undo] = []
        self._bytes = self._lines = 0
        self.refresh()

    def append(self, events: Sequence[Verdict | Undo]) -> None:
        """Puts them at the end, on disk when it returns: all or none. Raises RunError where the disk is full."""
        append_lines(self.path, (event.model_dump(mode="json", exclude_none=True) for event in events))
        self.refresh()

    def refresh(self) -> None:
        """Reads what was appended since."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            lock(file.fileno(), wait=True)
            file.seek(self._bytes)
            data = file.read()
        for number, raw in numbered_lines(io.BytesIO(data), self.path):
            place = f"{self.path}:{self._lines + number}"
            try:
                self.events.append(_event(raw, place))
            except InputError as error:
                if self.on_broken is None:
                    raise
                self.on_broken(error)
        self._bytes += len(data)
        self._lines += data.count(b"\n")


def _event(raw: bytes, place: str) -> Verdict | Undo:
    try:
        return parse_event(parse_row(raw, place), place)
    except InputError as error:
        if raw.endswith(b"\n"):
            raise
        raise InputError("has no end: its writer was stopped there", place, "remove the line") from error
