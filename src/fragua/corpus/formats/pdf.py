"""PDF files, by pypdf: the text of each page, words joined that were broken at the end of a line."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from fragua.corpus.document import Document, Reading
from fragua.corpus.opening import read_whole
from fragua.errors import InputError

_BROKEN_WORD = re.compile(r"(?<=[a-záéíóúüñ])-\n(?=[a-záéíóúüñ])")


def read(path: Path, reading: Reading) -> Iterator[Document]:
    """Raises InputError for a file that is encrypted, broken, or holds pictures of text only."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells on standard error what it mends
    raw = read_whole(path)
    try:
        reader = pypdf.PdfReader(io.BytesIO(raw))
        locked = reader.is_encrypted and not reader.decrypt("")
        pages = [] if locked else [page.extract_text() for page in reader.pages]
    except Exception as error:  # whatever it is: the parser meets anything in broken files
        told = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"no PDF file that can be read ({told})", path, "open it and export it again"
        ) from error
    if locked:
        raise InputError("encrypted, it opens with a password only", path, "take it off, e.g. qpdf --decrypt")
    text = "\n".join(pages)
    if pages and not text.strip():
        mend = "recognise its text first, e.g. with ocrmypdf"
        raise InputError("its pages are pictures: there is no text in them", path, mend)
    yield Document(_BROKEN_WORD.sub("", text), str(path))
