"""One run at a time in a directory: a lock that the operating system lets go of when its process dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fragua.errors import InputError
from fragua.files import make_folder


@contextmanager
def only_run(out: Path) -> Iterator[None]:
    """Holds `out/.lock` while the block runs. Raises InputError where another run holds it."""
    handle = os.open(make_folder(out) / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _taken(handle):
            raise InputError(
                "another run is at work here", out, "wait for it, stop it, or choose another --out"
            )
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
