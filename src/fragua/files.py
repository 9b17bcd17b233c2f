"""Files at the edge: whole or not at all, and errors that name the line."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
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


def numbered_lines(file: IO[bytes], path: str | Path) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line) of those that are not blank. Raises InputError for one of over `MOST_LINE_BYTES`."""
    for number, raw in enumerate(iter(lambda: file.readline(MOST_LINE_BYTES + 1), b""), 1):
        if len(raw) > MOST_LINE_BYTES:
            size = f"a line of more than {MOST_LINE_BYTES >> 20} MiB"
            raise InputError(size, f"{path}:{number}", "cut it into several")
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


def append_lines(path: str | Path, rows: Iterable[Any]) -> None:
    """Appends one JSON value a line, all in one write that reaches the disk, or none. Several processes may.

    Where a killed writer left half a line, the first row begins on a line of its own. Raises RunError where the
    disk is full; the file is then as it was."""
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    make_folder(Path(path).parent)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except (PermissionError, IsADirectoryError) as error:
        raise InputError("may not be written to", path, "choose another") from error
    with full_disk_is_clear(path), os.fdopen(handle, "rb+", buffering=0) as file:
        lock(handle, wait=True)
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        if end and file.read(1) != b"\n":
            data = b"\n" + data
        try:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, "No space left")
            os.fsync(handle)
        except BaseException:
            file.truncate(end)
            raise


def drop_torn_line(path: Path) -> None:
    """Cuts off what a killed writer left of a last line."""
    whole = path.read_bytes()
    if whole and not whole.endswith(b"\n"):
        os.truncate(path, whole.rfind(b"\n") + 1)


def lock(handle: int, wait: bool = False) -> bool:
    """Takes an open file for this process alone, until it is closed or the process dies; False where another has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, 0, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


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
