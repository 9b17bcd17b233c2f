"""Text brought to one form: NFC, line ends, control characters, blank lines, a Gutenberg frame taken off."""

from __future__ import annotations

import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\u200b\ufffe\uffff]")
_LINE_END = re.compile(r"\r\n?|\u2028|\u2029|\x85")
_TRAILING = re.compile(r"[ \t\u00a0]+(?=\n|$)")
_BLANKS = re.compile(r"\n{3,}")
_FRAME_START = re.compile(r"^\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*\n", re.MULTILINE)
_FRAME_END = re.compile(r"^\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG", re.MULTILINE)


def clean(text: str) -> str:
    """The text in NFC with '\\n' line ends, no control characters, no trailing blanks, at most one blank line.

    Applying it twice changes nothing. Lone surrogates are dropped, as no UTF-8 file can hold them."""
    text = _LINE_END.sub("\n", text)
    text = _CONTROL.sub("", text)
    text = text.encode("utf-8", "ignore").decode("utf-8")
    text = unicodedata.normalize("NFC", text)
    return _BLANKS.sub("\n\n", _TRAILING.sub("", text)).strip()


def without_frame(text: str) -> str:
    """What stands between Project Gutenberg's START and END lines; the whole text where there are none."""
    start = _FRAME_START.search(text)
    text = text[start.end() :] if start else text
    end = _FRAME_END.search(text)
    return text[: end.start()] if end else text


def pieces(text: str, most: int) -> list[str]:
    """The text cut at paragraph borders into pieces of at most `most` characters, as few as that allows.

    A paragraph longer than that is cut at lines, then at sentence ends, then at spaces, at last anywhere."""
    if len(text) <= most:
        return [text]
    found: list[str] = []
    for separator in ("\n\n", "\n", ". ", " "):
        if separator not in text:
            continue
        parts = text.split(separator)
        now = parts[0]
        for part in parts[1:]:
            if len(now) + len(separator) + len(part) <= most:
                now += separator + part
                continue
            found += pieces(now + separator.rstrip(), most)
            now = part
        found += pieces(now, most)
        return [piece for piece in found if piece.strip()]
    return [text[at : at + most] for at in range(0, len(text), most)]
