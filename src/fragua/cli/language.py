"""The language in which the terminal speaks, Spanish or English; both texts stand where they are used."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

from fragua.errors import InputError

Lang = Literal["es", "en"]
Say = Callable[[str, str], str]
"""say(spanish, english) gives the one that was chosen."""


def choose_lang(option: str | None) -> Lang:
    """The option if given, else the locale's language, else English. Raises InputError for another one."""
    if option is not None:
        if option not in ("es", "en"):
            raise InputError(f"'{option}' is not a language it speaks", "--lang", "es or en")
        return "es" if option == "es" else "en"
    locale = next(
        (os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), ""
    )
    return "es" if locale.lower().startswith("es") else "en"


def speaker(lang: Lang) -> Say:
    return (lambda es, en: es) if lang == "es" else (lambda es, en: en)
