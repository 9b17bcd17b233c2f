"""Errors a person can act on: what is wrong, where, and how to mend it, in one line."""

from __future__ import annotations

import os


class FraguaError(Exception):
    """One line: `place: message; mend`. The command line prints it and leaves with `exit_code`."""

    exit_code = 1

    def __init__(self, message: str, place: str | os.PathLike[str] | None = None, mend: str | None = None):
        self.message, self.place, self.mend = message, None if place is None else os.fspath(place), mend
        line = message if place is None else f"{self.place}: {message}"
        super().__init__(line if mend is None else f"{line}; {mend}")


class InputError(FraguaError):
    """What the caller gave can't be used: wrong path, broken row, unknown key, too long a prompt (exit 2)."""

    exit_code = 2


class RunError(FraguaError):
    """The work failed though its input was good: NaN, full disk, interrupted (exit 1)."""
