"""One run at a time in a directory: a lock that the operating system lets go of when its process dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fragua.errors import InputError
from fragua.files import lock, make_folder


@contextmanager
def only_run(out: Path) -> Iterator[None]:
    """Holds `out/.lock` while the block runs. Raises InputError where another run holds it."""
    handle = os.open(make_folder(out) / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not lock(handle):
            raise InputError(
                "another run is at work here", out, "wait for it, stop it, or choose another --out"
            )
        yield
    finally:
        os.close(handle)
