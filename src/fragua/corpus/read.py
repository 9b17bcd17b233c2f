"""Readers of real formats: text, Markdown and JSONL, from files, folders, globs and standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fragua.corpus.clean import without_frame
from fragua.errors import InputError
from fragua.files import read_jsonl, read_text

TEXT_SUFFIXES = (".txt", ".text", ".md", ".markdown")
SUFFIXES = (*TEXT_SUFFIXES, ".jsonl")
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Document:
    """A text as its source gives it; `lang` is 'und' where the source does not say."""

    text: str
    source: str
    lang: str = "und"
    genre: str = ""


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
        if path.exists():
            named = [path]
        else:
            named = [Path(name) for name in sorted(glob.glob(source, recursive=True))]  # noqa: PTH207 (absolute patterns)
            if not named:
                raise InputError("no such file or folder, and no file fits it as a pattern", source)
        for one in named:
            if one.is_dir():
                inside = list(_walk(one))
                if not inside:
                    raise InputError("the folder holds no file to read", one, f"known: {', '.join(SUFFIXES)}")
            elif one.suffix.lower() in SUFFIXES:
                inside = [one]
            else:
                raise InputError(f"unknown kind of file '{one.suffix}'", one, f"known: {', '.join(SUFFIXES)}")
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
            if (
                not name.startswith(".")
                and Path(name).suffix.lower() in SUFFIXES
                and (Path(at) / name).is_file()
            ):
                yield Path(at) / name


def read_documents(
    sources: Iterable[str | Path], column: str = "text", stdin: BinaryIO | None = None
) -> Iterator[Document]:
    """Every document of the sources, one after the other. `column` names the text in JSONL rows.

    Raises InputError with `file:line` for a row that has no such text."""
    for file in find_files(sources):
        if isinstance(file, str):
            yield Document(_read_stdin(stdin or sys.stdin.buffer), STDIN)
        elif file.suffix.lower() == ".jsonl":
            yield from _rows(file, column)
        else:
            yield Document(without_frame(read_text(file)), str(file))


def _rows(file: Path, column: str) -> Iterator[Document]:
    for number, row in read_jsonl(file):
        text = row.get(column)
        if not isinstance(text, str):
            found = "is not a string" if column in row else "is missing"
            others = ", ".join(sorted(key for key, value in row.items() if isinstance(value, str))) or "none"
            raise InputError(
                f"'{column}' {found}", f"{file}:{number}", f"columns with text here: {others}; see --column"
            )
        lang, genre = row.get("lang"), row.get("genre")
        yield Document(
            text,
            str(file),
            lang if isinstance(lang, str) and lang else "und",
            genre if isinstance(genre, str) else "",
        )


def _read_stdin(stream: BinaryIO) -> str:
    try:
        return stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 at byte {error.start}", "standard input", "convert it first, e.g. with iconv"
        ) from error
