"""Plain text and Markdown: read in blocks cut at paragraph borders, without Project Gutenberg's frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fragua.corpus.document import Document, Reading
from fragua.corpus.opening import decoded, opened

BLOCK_CHARACTERS = 1 << 20
"""A longer text becomes several documents, so that a file of any size is read in little memory."""
_FRAME = re.compile(
    r"^[ \t]*\*\*\* ?(START) OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*(?:\n|\Z)"
    r"(?:\s*(?:Produced|E-?text prepared|Transcribed) by[^\n]*(?:\n[^\n]+)*)?"
    r"|^(?:End of (?:the )?Project Gutenberg[^\n]*\s*)?[ \t]*\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*",
    re.MULTILINE,
)


def read(path: Path, reading: Reading) -> Iterator[Document]:
    with opened(path) as file:
        yield from read_stream(file, str(path), reading)


def read_stream(file: BinaryIO, source: str, reading: Reading) -> Iterator[Document]:
    """Documents of at most `BLOCK_CHARACTERS` characters, as few as paragraph borders allow."""
    text = decoded(file, source, reading.encoding)
    for block, framed in without_frame(blocks(text.blocks)):
        yield Document(block, source, changes=(*text.changes, *(("gutenberg frame",) if framed else ())))


def blocks(parts: Iterator[str], most: int = BLOCK_CHARACTERS) -> Iterator[str]:
    """The text in blocks of at most `most` characters, cut after the last empty line, or line, sentence, word."""
    held = ""
    for part in parts:
        held += part
        while len(held) > most:
            ends = (held.rfind(mark, 0, most) + len(mark) for mark in ("\n\n", "\n", ". ", " "))
            end = next((end for end in ends if end > most // 2), most)
            yield held[:end]
            held = held[end:]
    if held:
        yield held


def without_frame(parts: Iterator[str]) -> Iterator[tuple[str, bool]]:
    """(block, whether a frame was taken off) without what stands before START and after END.

    Of several books in a file each loses its own frame. Where there is no such line, nothing is lost."""
    inside = True
    for number, block in enumerate(parts):
        kept: list[str] = []
        at, framed = 0, False
        for mark in _FRAME.finditer(block):
            framed = True
            if mark[1]:
                if inside and not (number or kept):
                    at = mark.end()  # what came before is the first book's header
                    continue
                if not inside:
                    inside, at = True, mark.end()
            elif inside:
                kept.append(block[at : mark.start()])
                inside = False
        if inside:
            kept.append(block[at:])
        if any(kept):
            yield "\n\n".join(kept), framed
