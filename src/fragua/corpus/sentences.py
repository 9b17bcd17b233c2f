"""Sentences of Spanish and English prose, also where lines are wrapped."""

from __future__ import annotations

import re

_START = r"(?=[A-ZÁÉÍÓÚÜÑ¿¡«“\"'(\[—–\-\d])"
_HEADING = rf"[^\n.!?…]{{1,50}}\n[ \t]*{_START}"
_END = re.compile(rf"[.!?…]+[»”\"')\]]*(?=\s+{_START})|\n{{2,}}|(?<=\n){_HEADING}|\A{_HEADING}")
"""A sentence ends at its mark before a capital, at an empty line, and where a short line without a mark does."""
_ABBREVIATION = re.compile(
    r"(?:\b(?:Sr|Sra|Srta|Dr|Dra|Ud|Uds|Vd|D|Dña|Prof|Ing|St|Mr|Mrs|Ms|Jr|vs|etc|pág|núm|No|Art|art|cap|vol|ed|p|pp|a|e|i)"
    r"|\b[A-ZÁÉÍÓÚÑ]|\b[ap]\. ?[CJm])\.$"
)


def sentences(text: str) -> list[str]:
    """The sentences, each on one line; a title or a line of a list is one too."""
    found, start = [], 0
    for end in _END.finditer(text):
        if end[0].startswith(".") and _ABBREVIATION.search(text[start : end.end()]):
            continue
        found.append(text[start : end.end()])
        start = end.end()
    found.append(text[start:])
    lines = (" ".join(sentence.split()) for sentence in found)
    return [line for line in lines if line]
