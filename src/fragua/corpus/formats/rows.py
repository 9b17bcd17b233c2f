"""Tables whose rows are documents: JSONL, CSV and Parquet, streamed. `lang` and `genre` columns are heeded."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from fragua.corpus.document import UNKNOWN, Document, Reading
from fragua.corpus.opening import MOST_LINE_CHARACTERS, decoded, lines, opened
from fragua.errors import InputError
from fragua.files import numbered_lines, parse_row, raised

DELIMITERS = ",;\t|"
BATCH_ROWS = 256


def read_jsonl(path: Path, reading: Reading) -> Iterator[Document]:
    with opened(path) as file:
        for number, raw in numbered_lines(file, path, reading.broken):
            place = f"{path}:{number}"
            try:
                document = _document(parse_row(raw, place), place, path, reading)
            except InputError as error:
                reading.broken(error)
                continue
            yield document


class CsvTable:
    """The first line names the columns; the delimiter is the commonest of ',', ';', tab and '|' there."""

    def __init__(self, file: BinaryIO, path: Path, encoding: str | None = None):
        csv.field_size_limit(MOST_LINE_CHARACTERS)
        self.path = path
        blocks, self.changes = decoded(file, path, encoding)
        self._lines = lines(blocks, path)
        head = next(self._lines, "")
        self._delimiter = max(DELIMITERS, key=head.count)
        self.names = next(csv.reader([head], delimiter=self._delimiter), [])

    def rows(self, broken: Callable[[InputError], None] = raised) -> Iterator[tuple[str, Mapping[str, str]]]:
        """(place, cells by column). `broken` is told of a row with more or fewer cells than the first line."""
        rows = csv.reader(self._lines, delimiter=self._delimiter)
        try:
            for row in rows:
                place = f"{self.path}:{rows.line_num + 1}"
                if row and len(row) != len(self.names):
                    told = f"{len(row)} cells, the first line names {len(self.names)}"
                    broken(InputError(told, place, "mend the row, or quote its text"))
                elif row:
                    yield place, dict(zip(self.names, row, strict=True))
        except csv.Error as error:
            raise InputError(f"not CSV ({error})", f"{self.path}:{rows.line_num + 1}") from error


def read_csv(path: Path, reading: Reading) -> Iterator[Document]:
    with opened(path) as file:
        table = CsvTable(file, path, reading.encoding)
        if reading.column not in table.names:
            mend = f"columns: {', '.join(table.names)}; see --column"
            raise InputError(f"no column '{reading.column}'", f"{path}:1", mend)
        for place, row in table.rows(reading.broken):
            yield _document(row, place, path, reading, table.changes)


def read_parquet(path: Path, reading: Reading) -> Iterator[Document]:
    import pyarrow
    from pyarrow import parquet

    try:
        with opened(path) as file:
            table = parquet.ParquetFile(file)
            names = table.schema_arrow.names
            if reading.column not in names:
                mend = f"columns: {', '.join(names)}; see --column"
                raise InputError(f"no column '{reading.column}'", path, mend)
            wanted = [name for name in (reading.column, "lang", "genre") if name in names]
            number = 0
            for batch in table.iter_batches(BATCH_ROWS, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    try:
                        document = _document(row, f"{path}: row {number}", path, reading)
                    except InputError as error:
                        reading.broken(error)
                        continue
                    yield document
    except pyarrow.ArrowException as error:
        told = " ".join(str(error).split())
        raise InputError(f"no Parquet file that can be read ({told})", path, "copy it again") from error


def _document(
    row: Mapping[str, Any], place: str, path: Path, reading: Reading, changes: tuple[str, ...] = ()
) -> Document:
    text = row.get(reading.column)
    if not isinstance(text, str):
        found = "is not a string" if reading.column in row else "is missing"
        mend = f"columns with text here: {_texts(row.items())}; see --column"
        raise InputError(f"'{reading.column}' {found}", place, mend)
    lang, genre = row.get("lang"), row.get("genre")
    return Document(
        text,
        str(path),
        lang if isinstance(lang, str) and lang else UNKNOWN,
        genre if isinstance(genre, str) else "",
        changes,
    )


def _texts(cells: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(sorted(name for name, value in cells if isinstance(value, str))) or "none"
