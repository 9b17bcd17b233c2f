"""Text brought to one form: NFC, line ends, control characters, soft hyphens, blank lines; and cut into pieces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\u200b\u2060\ufffe\uffff]")
_LINE_END = re.compile(r"\r\n?|\u2028|\u2029|\x85")
_SOFT_HYPHEN = re.compile(r"\u00ad\n?")
_TRAILING = re.compile(r"[ \t\u00a0]+(?=\n|$)")
_BLANKS = re.compile(r"\n{3,}")

STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("line ends", lambda text: _LINE_END.sub("\n", text)),
    ("control characters", lambda text: _CONTROL.sub("", text)),
    ("soft hyphens", lambda text: _SOFT_HYPHEN.sub("", text)),
    ("lone surrogates", lambda text: text.encode("utf-8", "ignore").decode("utf-8")),
    ("composed characters", lambda text: unicodedata.normalize("NFC", text)),
    ("blanks", lambda text: _BLANKS.sub("\n\n", _TRAILING.sub("", text)).strip()),
)
"""What is done to every text, in this order; the last is no change that anyone would miss."""


def cleaned(text: str) -> tuple[str, list[str]]:
    """The text after every step, and the names of those that changed it."""
    changes = []
    for name, step in STEPS:
        after = step(text)
        if after != text and name != "blanks":
            changes.append(name)
        text = after
    return text, changes


def clean(text: str) -> str:
    """The text in NFC with '\\n' line ends, no control characters, no trailing blanks, at most one blank line.

    Applying it twice changes nothing. Lone surrogates are dropped, as no UTF-8 file can hold them."""
    return cleaned(text)[0]


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
