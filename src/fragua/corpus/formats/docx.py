"""Word files, by python-docx: paragraphs and tables in the order of the page."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fragua.corpus.document import Document, Reading
from fragua.corpus.opening import WHOLE_BYTES, read_whole
from fragua.errors import InputError

if TYPE_CHECKING:
    from docx.table import Table


def read(path: Path, reading: Reading) -> Iterator[Document]:
    """Raises InputError for a file that is empty, broken or no DOCX."""
    import docx
    from docx.table import Table

    raw = read_whole(path)
    if not raw:
        raise InputError("an empty file, no DOCX", path, "save it again")
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as parts:
            if sum(part.file_size for part in parts.infolist()) > 4 * WHOLE_BYTES:
                raise InputError("unpacks to over 1 GiB", path, "cut it into parts")
        content = docx.Document(io.BytesIO(raw)).iter_inner_content()
        told = [_cells(block) if isinstance(block, Table) else block.text for block in content]
    except InputError:
        raise
    except zipfile.BadZipFile as error:
        raise InputError("no DOCX file (it is not a ZIP archive)", path, "save it again as .docx") from error
    except Exception as error:  # whatever it is: the parser meets anything in broken files
        why = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"no DOCX file that can be read ({why})", path, "save it again") from error
    yield Document("\n\n".join(text for text in told if text.strip()), str(path))


def _cells(table: Table) -> str:
    """A row a line, its cells apart by bars; a merged cell is told once."""
    rows = []
    for row in table.rows:
        seen: list[str] = []
        for cell in row.cells:
            text = " ".join(cell.text.split())
            if not seen or seen[-1] != text:
                seen.append(text)
        rows.append(" | ".join(seen))
    return "\n".join(rows)
