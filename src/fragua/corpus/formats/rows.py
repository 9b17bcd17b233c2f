"""Tables whose rows are documents: JSONL, CSV and Parquet, streamed. `lang` and `genre` columns are heeded."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fragua.corpus.document import UNKNOWN, Document, Reading
from fragua.corpus.opening import MOST_LINE_CHARACTERS, decoded, lines, opened
from fragua.errors import InputError
from fragua.files import numbered_lines, parse_row

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


def read_csv(path: Path, reading: Reading) -> Iterator[Document]:
    """The first line names the columns; the delimiter is the commonest of ',', ';', tab and '|' there."""
    csv.field_size_limit(MOST_LINE_CHARACTERS)
    with opened(path) as file:
        text = decoded(file, path, reading.encoding)
        told = lines(text.blocks, path)
        head = next(told, "")
        delimiter = max(DELIMITERS, key=head.count)
        names = next(csv.reader([head], delimiter=delimiter), [])
        if reading.column not in names:
            raise InputError(
                f"no column '{reading.column}'", f"{path}:1", f"columns: {', '.join(names)}; see --column"
            )
        rows = csv.reader(told, delimiter=delimiter)
        try:
            for row in rows:
                place = f"{path}:{rows.line_num + 1}"
                if len(row) > len(names) or (row and len(row) < len(names)):
                    told_of = f"{len(row)} cells, the first line names {len(names)}"
                    reading.broken(InputError(told_of, place, "mend the row, or quote its text"))
                elif row:
                    yield _document(dict(zip(names, row, strict=True)), place, path, reading, text.changes)
        except csv.Error as error:
            raise InputError(f"not CSV ({error})", f"{path}:{rows.line_num + 1}") from error


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
