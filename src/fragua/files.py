"""Files at the edge: whole or not at all, and errors that name the line."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from fragua.errors import InputError, RunError

MOST_LINE_BYTES = 64 << 20
"""A longer line of JSONL is refused: it would need many times its size in memory."""


@contextmanager
def full_disk_is_clear(path: str | Path) -> Iterator[None]:
    """Turns the system's error for a full disk into a RunError that names the file."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC or "No space left" in str(error):
            raise RunError(
                "no space left on the device", path, "free some and run the command again"
            ) from error
        raise


def make_folder(path: str | Path) -> Path:
    """Makes the folder and those above it. Raises InputError where a file stands in the way or it is not allowed."""
    path = Path(path)
    try:
        with full_disk_is_clear(path):
            path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError("is a file, a folder is needed", path, "choose another --out") from error
    except PermissionError as error:
        raise InputError("may not be made", path, "choose another folder") from error
    return path


@contextmanager
def atomic_write(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Opens a temporary neighbour of `path`; on success flushes it to disk and renames it into place.

    On any error the old file stays as it was. Raises InputError where no file can be made there, RunError where
    the disk is full."""
    path = Path(path)
    make_folder(path.parent)
    if path.is_dir():
        raise InputError("is a folder, a file is to be written", path, "choose another name")
    try:
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except PermissionError as error:
        raise InputError("may not be written to", path.parent, "choose another folder") from error
    temporary = Path(name)
    with full_disk_is_clear(path), _or_none(temporary):
        text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
        with os.fdopen(fd, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)


@contextmanager
def _or_none(path: Path) -> Iterator[None]:
    """Removes the file where the work in it fails."""
    try:
        yield
    except BaseException:
        with suppress(FileNotFoundError):
            path.unlink()
        raise


def write_json(path: str | Path, value: Any) -> None:
    with atomic_write(path) as file:
        json.dump(value, file, ensure_ascii=False, indent=2)
        file.write("\n")


def read_json(path: str | Path) -> Any:
    """Raises InputError naming the line where the JSON breaks."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON ({error.msg})", f"{path}:{error.lineno}") from error


def read_text(path: str | Path) -> str:
    """UTF-8 with or without a byte-order mark. Raises InputError with the offset of the first bad byte."""
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError("no such file", path) from error
    except IsADirectoryError as error:
        raise InputError("is a folder, a file is needed", path) from error
    except PermissionError as error:
        raise InputError("may not be read", path) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 at byte {error.start}", path, "convert it first, e.g. with iconv"
        ) from error


def write_jsonl(path: str | Path, rows: Iterable[Any]) -> int:
    """One JSON value a line; returns the number of rows."""
    count = 0
    with atomic_write(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def read_jsonl(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line number from 1, object), streamed; blank lines are passed over.

    Raises InputError with `path:line` for a line that is not a JSON object."""
    try:
        file = open(path, "rb")  # noqa: SIM115, PTH123 (closed by the with below, opened here for its errors)
    except FileNotFoundError as error:
        raise InputError("no such file", path) from error
    except IsADirectoryError as error:
        raise InputError("is a folder, a file is needed", path) from error
    except PermissionError as error:
        raise InputError("may not be read", path) from error
    with file:
        for number, raw in numbered_lines(file, path):
            yield number, parse_row(raw, f"{path}:{number}")


def raised(error: InputError) -> None:
    raise error


def numbered_lines(
    file: IO[bytes], path: str | Path, broken: Callable[[InputError], None] = raised
) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line) of those that are not blank.

    `broken` is told of one of over `MOST_LINE_BYTES`; it raises, or returns to have the line passed over."""
    for number, raw in enumerate(iter(lambda: file.readline(MOST_LINE_BYTES + 1), b""), 1):
        if len(raw) > MOST_LINE_BYTES:
            size = f"a line of more than {MOST_LINE_BYTES >> 20} MiB"
            broken(InputError(size, f"{path}:{number}", "cut it into several"))
            while raw and not raw.endswith(b"\n"):
                raw = file.readline(MOST_LINE_BYTES)
            continue
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if raw.strip():
            yield number, raw


def parse_row(raw: bytes, place: str) -> dict[str, Any]:
    """A JSON object of a line. Raises InputError at `place` for anything else."""
    try:
        row = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start} of the line", place) from error
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON ({error.msg})", place) from error
    except RecursionError as error:
        raise InputError("not JSON that can be read (nested too deep)", place) from error
    if not isinstance(row, dict):
        raise InputError("a JSON object is needed on each line", place)
    return row


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries by their dotted path."""
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        name: leaf
        for key, inner in value.items()
        for name, leaf in flat(inner, f"{prefix}.{key}".lstrip(".")).items()
    }


def digest_file(path: str | Path) -> str:
    """SHA-256 of the bytes, in hexadecimal."""
    with open(path, "rb") as file:  # noqa: PTH123
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_json(value: Any) -> str:
    """SHA-256 of the value's canonical JSON (sorted keys, no spaces), in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
