"""The languages in which Fragua speaks; both texts stand where they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Lang = Literal["es", "en"]
Say = Callable[[str, str], str]
"""say(spanish, english) gives the one that was chosen."""


def speaker(lang: Lang) -> Say:
    return (lambda es, en: es) if lang == "es" else (lambda es, en: en)
