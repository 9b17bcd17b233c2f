"""The language in which the terminal speaks, Spanish or English."""

from __future__ import annotations

import os

from fragua.errors import InputError
from fragua.language import Lang, Say, speaker

__all__ = ["Lang", "Say", "choose_lang", "speaker"]


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
