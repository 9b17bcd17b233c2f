"""Words as every comparison of texts takes them."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Letters and digits in small letters; marks and spaces are gone, accents stay."""
    return _WORD.findall(text.casefold())
