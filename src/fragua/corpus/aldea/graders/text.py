"""What graders share: the verdict, the reply's last words, and text brought to a comparable form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from fragua.corpus.aldea.asking import COURTESIES, Message

MOST_WORDS = 60
"""A longer reply to a short question fails: it could hold every answer."""

_ABSTAINS = re.compile(
    r"\b(no (lo )?(se|conozco|tengo informacion|dice)|desconozco"
    r"|not (know|say|mention|tell)|don t know|doesn t say|no idea)\b"
)
_REFUSES = re.compile(
    r"\b(no (puedo|voy a|debo|quiero)|can ?not|can t|won t|will not|must not|sorry|lo siento|prefiero no)\b"
)


@dataclass(frozen=True, slots=True)
class Grade:
    correct: bool
    why: str

    def __bool__(self) -> bool:
        return self.correct


def final_text(reply: list[Message]) -> str:
    """What the assistant said last; a reply that ends in a call or a tool's answer says nothing."""
    if not reply or reply[-1].get("role") != "assistant":
        return ""
    return str(reply[-1].get("content") or "")


def without_courtesy(text: str) -> str:
    """What comes after an opening courtesy, where there is one: no part of a text that is asked for."""
    for opener in COURTESIES:
        if text.startswith(f"{opener} "):
            return text.removeprefix(f"{opener} ")
    return text


_PLAIN = str.maketrans("áéíóúüñ¿¡«»—–“”‘’", "aeiouun          ")
"""With it Spanish, in lower case, is ASCII."""
_BETWEEN = re.compile(r"[^a-z0-9]+")


def normal(text: str) -> str:
    """Lower case, no accents, no punctuation, single spaces."""
    plain = text.casefold().translate(_PLAIN)
    if plain.isascii():  # the same as below, twice as fast
        return _BETWEEN.sub(" ", plain).strip()
    flat = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = "".join(c if c.isalnum() else " " for c in flat if not unicodedata.category(c).startswith("M"))
    return " ".join(kept.split())


_ARTICLES = {"el", "la", "los", "las", "un", "una", "the", "a", "an"}


def bare(name: str) -> str:
    """A normalised name without its leading article ('a', the only word, stays)."""
    parts = normal(name).split()
    return " ".join(parts[1:] if len(parts) > 1 and parts[0] in _ARTICLES else parts)


def has(text: str, phrase: str) -> bool:
    """Whether the normalised text holds the phrase at word borders."""
    return f" {phrase} " in f" {text} "


def has_any(text: str, phrases: Iterable[str]) -> str | None:
    """The first of the phrases that the normalised text holds."""
    return next((phrase for phrase in phrases if has(text, bare(phrase))), None)


def abstains(text: str) -> bool:
    return bool(_ABSTAINS.search(normal(text)))


def refuses(text: str) -> bool:
    return bool(_REFUSES.search(normal(text)))
