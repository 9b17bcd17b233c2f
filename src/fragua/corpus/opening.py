"""Files as bytes, unpacked on the way, and bytes as text: block by block, with errors that name the place."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from fragua.errors import InputError

PACKED = {".gz": "gzip", ".zst": "zstd"}
SAMPLE_BYTES = 1 << 20
"""Of so many first bytes the encoding is chosen."""
MOST_LINE_CHARACTERS = 64 << 20
WHOLE_BYTES = 256 << 20
"""A file that must be held whole (PDF, DOCX, HTML) may not be larger, unpacked."""

GUESSED = ("cp1252", "cp850", "mac_roman")
_LETTERS = set("áéíóúüñçàèìòùâêîôûäëïöÁÉÍÓÚÜÑÇÀÈÒ")
_MARKS = set("¿¡«»“”‘’—–…ºª°·€")


def suffix(path: Path) -> str:
    """The kind of file that is left when packing is taken off: '.txt' of 'a.TXT.gz'."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return Path(name).suffix


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked. Raises InputError where it can't be opened, or its packing breaks off."""
    packing = PACKED.get(path.suffix.lower())
    try:
        with path.open("rb") as file:
            if packing is None:
                yield file
                return
            import pyarrow

            yield io.BufferedReader(cast(io.RawIOBase, pyarrow.CompressedInputStream(file, packing)))
    except FileNotFoundError as error:
        raise InputError("no such file", path) from error
    except PermissionError as error:
        raise InputError("may not be read", path) from error
    except OSError as error:
        if packing is None or error.errno is not None:
            raise
        raise InputError(f"broken {packing} file ({error})", path, "copy or pack it again") from error


def read_whole(path: Path) -> bytes:
    """Raises InputError over `WHOLE_BYTES`."""
    with opened(path) as file:
        raw = file.read(WHOLE_BYTES + 1)
    if len(raw) > WHOLE_BYTES:
        raise InputError(f"over {WHOLE_BYTES >> 20} MiB, too large for its kind", path, "cut it into parts")
    return raw


class Decoded(NamedTuple):
    """The text in blocks with '\\n' line ends, and what was done to it for that."""

    blocks: Iterator[str]
    changes: tuple[str, ...]


def decoded(file: BinaryIO, place: str | Path, encoding: str | None = None) -> Decoded:
    """Raises InputError, now or while the blocks are read, with the offset of the first byte that does not fit."""
    sample = file.read(SAMPLE_BYTES)
    marked = _marked(sample)
    known = encoding or marked or ("utf-8" if _is_utf8(sample) else None)
    name = known or _guess(sample, place)
    changes = {
        "byte-order mark": marked is not None,
        f"encoding {name}": known is None or name in ("utf-16", "utf-32"),
        "line ends": b"\r" in sample,
    }
    told = tuple(change for change, done in changes.items() if done)
    return Decoded(_blocks(file, sample, name, place), told)


def _marked(sample: bytes) -> str | None:
    """What a byte-order mark says (UTF-32's little-endian mark begins as UTF-16's does)."""
    marks = (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    )
    return next((name for mark, name in marks if sample.startswith(mark)), None)


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=len(sample) < SAMPLE_BYTES)
    except UnicodeDecodeError:
        return False
    return True


def _guess(sample: bytes, place: str | Path) -> str:
    """The one old encoding in which the bytes outside ASCII are Spanish and English letters and marks."""
    if b"\0" not in sample:
        fits = {name: _fitness(sample, name) for name in GUESSED}
        best = max(fits, key=lambda name: fits[name])
        if fits[best] >= 0.95 and all(fits[best] > fit for name, fit in fits.items() if name != best):
            return best
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        at = f"not UTF-8 at byte {error.start}, and no other encoding is certain"
        raise InputError(at, place, "name it, e.g. --encoding cp1252, or convert it first") from error
    raise AssertionError("only called where UTF-8 fails")


def _fitness(sample: bytes, name: str) -> float:
    """The share of characters outside ASCII that are likely where they stand: small letters beside small letters,
    marks never between two letters."""
    text = " " + sample.decode(name, "replace") + " "
    count = good = 0
    for at, mark in enumerate(text):
        if mark < "\x80" or mark == "\u00a0":  # what most encodings have says nothing of which it is
            continue
        count += 1
        before, after = text[at - 1], text[at + 1]
        if mark in _LETTERS:
            good += mark.islower() or not (before.islower() or after.islower()) or not before.isalpha()
        elif mark in _MARKS:
            good += mark == "’" or not (before.isalpha() and after.isalpha())
    return good / max(count, 1)


def _blocks(file: BinaryIO, sample: bytes, encoding: str, place: str | Path) -> Iterator[str]:
    """Pieces of text of any length, none empty."""
    try:
        inner = codecs.getincrementaldecoder(encoding)()
    except LookupError as error:
        raise InputError(f"unknown encoding '{encoding}'", "--encoding", "for example cp1252") from error
    decoder = io.IncrementalNewlineDecoder(inner, translate=True)
    raw, done = sample, 0
    while True:
        held = len(inner.getstate()[0])
        try:
            text = decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            at = done - held + error.start
            mend = "name its encoding, e.g. --encoding cp1252, or convert it first"
            raise InputError(f"not {encoding.upper()} at byte {at}", place, mend) from error
        if text:
            yield text
        if not raw:
            return
        done += len(raw)
        raw = file.read(SAMPLE_BYTES)


def lines(blocks: Iterator[str], place: str | Path) -> Iterator[str]:
    """Lines with their ends. Raises InputError for one of more than `MOST_LINE_CHARACTERS`."""
    rest, number = "", 0
    for block in blocks:
        *whole, rest = (rest + block).split("\n")
        number += len(whole)
        yield from (line + "\n" for line in whole)
        if len(rest) > MOST_LINE_CHARACTERS:
            size = f"a line of more than {MOST_LINE_CHARACTERS >> 20} MiB"
            raise InputError(size, f"{place}:{number + 1}", "cut it into several")
    if rest:
        yield rest
