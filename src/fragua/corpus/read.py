"""Sources: files, folders, globs, standard input and data sets of the Hugging Face hub, read document by document."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from fragua.corpus.document import Document, Reading
from fragua.corpus.formats import FORMATS
from fragua.corpus.formats.text import read_stream
from fragua.corpus.hub import fetch, is_hub
from fragua.corpus.opening import suffix
from fragua.errors import InputError

KNOWN = f"known: {', '.join(FORMATS)}, also as .gz or .zst"
STDIN = "-"


def find_files(sources: Iterable[str | Path]) -> Iterator[Path | str]:
    """The files behind paths, folders (recursive, sorted by name) and globs; '-' is standard input.

    A folder reached twice (through a link) is read once; so is a file. Raises InputError for a source that names
    nothing, a folder without a readable file, or a file of an unknown kind."""
    seen: set[Path] = set()
    for source in map(str, sources):
        if source == STDIN:
            yield STDIN
            continue
        path = Path(source)
        if is_hub(source) and not path.exists():
            named = fetch(source)
        elif path.exists():
            named = [path]
        else:
            fitting = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 (absolute patterns)
            named = [Path(name) for name in fitting if os.path.exists(name)]  # noqa: PTH110 (a looping link is none)
            if not named:
                raise InputError("no such file or folder, and no file fits it as a pattern", source)
        for one in named:
            if one.is_dir():
                inside = list(_walk(one))
                if not inside:
                    raise InputError("the folder holds no file to read", one, KNOWN)
            elif suffix(one) in FORMATS:
                inside = [one]
            else:
                raise InputError(f"unknown kind of file '{one.suffix or one.name}'", one, KNOWN)
            for file in inside:
                real = file.resolve()
                if real not in seen:
                    seen.add(real)
                    yield file


def _walk(folder: Path) -> Iterator[Path]:
    """Files of known kinds below the folder, sorted, hidden ones left out; a link loop is entered once."""
    entered: set[Path] = set()
    for at, folders, names in os.walk(folder, followlinks=True):
        real = Path(at).resolve()
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and suffix(Path(name)) in FORMATS and (Path(at) / name).is_file():
                yield Path(at) / name


def read_file(
    file: Path | str, reading: Reading | None = None, stdin: BinaryIO | None = None
) -> Iterator[Document]:
    """The documents of one of `find_files`, streamed.

    Raises InputError for a file that can't be read as what its name says, with the line where there are lines."""
    reading = reading or Reading()
    if isinstance(file, str):
        return read_stream(stdin or sys.stdin.buffer, "standard input", reading)
    return FORMATS[suffix(file)](file, reading)


def read_documents(sources: Iterable[str | Path], reading: Reading | None = None) -> Iterator[Document]:
    """Every document of the sources, one after the other."""
    for file in find_files(sources):
        yield from read_file(file, reading)
