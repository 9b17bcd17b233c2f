"""Every format that is read: one small file each, `read(path, reading) -> Iterator[Document]`, by its suffix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from fragua.corpus.document import Document, Reading
from fragua.corpus.formats import docx, html, pdf, rows, text

FORMATS: dict[str, Callable[[Path, Reading], Iterator[Document]]] = {
    ".txt": text.read,
    ".text": text.read,
    ".md": text.read,
    ".markdown": text.read,
    ".html": html.read,
    ".htm": html.read,
    ".jsonl": rows.read_jsonl,
    ".csv": rows.read_csv,
    ".tsv": rows.read_csv,
    ".parquet": rows.read_parquet,
    ".pdf": pdf.read,
    ".docx": docx.read,
}
