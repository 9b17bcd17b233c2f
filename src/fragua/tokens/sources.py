"""Where texts come from: a corpus folder, a JSONL file or a plain text file, read as often as needed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from fragua.corpus.source_target import pair_of
from fragua.errors import InputError
from fragua.files import read_jsonl, read_text

UNKNOWN_LANGUAGE = "und"
"""ISO 639-2 for a text whose language nobody told."""


class Text(NamedTuple):
    """A text and its language, `und` where the file doesn't say."""

    lang: str
    text: str


class Texts:
    """The texts of a file, streamed anew at each iteration: rows of a JSONL file, or lines of a text file. A row of a
    pair (`source_target`) is two texts.

    Iterating raises InputError naming the row or byte that is not a text."""

    def __init__(self, path: str | Path, genres: Collection[str] = ()):
        """`path` is a file, or a corpus folder, of which `train.jsonl` is read. `genres`: only rows of one of these."""
        self.path, self.genres = Path(path), genres
        if self.path.is_dir():
            self.path /= "train.jsonl"
        if not self.path.is_file():
            raise InputError("no such file", self.path, "name a corpus folder, a .jsonl or a text file")

    def __iter__(self) -> Iterator[Text]:
        return self._rows() if self.path.suffix == ".jsonl" else self._lines()

    def documents(self) -> Iterator[str]:
        """Whole documents: rows of a JSONL file; a text file is one, of no genre."""
        if self.path.suffix == ".jsonl":
            return (text for _, text in self)
        return iter([] if self.genres else [read_text(self.path)])

    def count_bytes(self) -> int:
        """UTF-8 bytes of all texts."""
        return sum(len(text.encode("utf-8")) for _, text in self)

    def _rows(self) -> Iterator[Text]:
        for number, row in read_jsonl(self.path):
            if self.genres and row.get("genre") not in self.genres:
                continue
            place, lang = f"{self.path}:{number}", str(row.get("lang") or UNKNOWN_LANGUAGE)
            if "text" not in row and "source" in row:
                source, target, _ = pair_of(row, place)
                yield from (Text(lang, source), Text(lang, target))
                continue
            text = row.get("text")
            if not isinstance(text, str):
                raise InputError('the row has no "text"', place)
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                raise InputError(f"lone surrogate at character {error.start}", place) from error
            yield Text(lang, text)

    def _lines(self) -> Iterator[Text]:
        offset = 0
        with self.path.open("rb") as file:
            for line in file:
                try:
                    text = line.decode("utf-8-sig" if offset == 0 else "utf-8")
                except UnicodeDecodeError as error:
                    mend = "convert it first, e.g. with iconv"
                    raise InputError(f"not UTF-8 at byte {offset + error.start}", self.path, mend) from error
                offset += len(line)
                yield Text(UNKNOWN_LANGUAGE, text)
