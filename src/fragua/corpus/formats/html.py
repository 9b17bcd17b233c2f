"""Web pages: the main text, by trafilatura, without menus and footers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fragua.corpus.document import Document, Reading
from fragua.corpus.opening import read_whole
from fragua.errors import InputError


def read(path: Path, reading: Reading) -> Iterator[Document]:
    """A page in which no main text is found gives all the text that it shows."""
    raw = read_whole(path)
    try:
        page: str | bytes = raw.decode(reading.encoding) if reading.encoding else raw
    except (UnicodeDecodeError, LookupError) as error:
        raise InputError(f"not {reading.encoding} ({error})", path, "give another --encoding") from error

    import trafilatura

    found = trafilatura.extract(page, include_comments=False, favor_recall=True)
    text = found or trafilatura.html2txt(page, clean=True)
    if raw.strip() and not text:
        raise InputError("no page of HTML that holds text", path, "open it in a browser and save it again")
    yield Document(text or "", str(path))
