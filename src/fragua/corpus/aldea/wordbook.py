"""Single words for exercises: nouns of the valley in one language, and words that no dictionary has."""

from __future__ import annotations

import random
from functools import cache
from keyword import iskeyword

from fragua.corpus.aldea.names import table

_HEADS = (
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ka",
    "le",
    "mi",
    "no",
    "pu",
    "ra",
    "se",
    "ti",
    "vo",
    "zu",
    "lo",
    "ne",
)
_TAILS = (
    "bo",
    "ca",
    "do",
    "fi",
    "ga",
    "ku",
    "la",
    "mo",
    "ni",
    "pa",
    "ro",
    "so",
    "tu",
    "va",
    "ze",
    "x",
    "l",
    "r",
)

KINDS = ("species", "ingredients", "products", "devices", "trades")


@cache
def kind_nouns(kind: str, lang: str) -> tuple[str, ...]:
    """The one-word nouns of a kind of `names.toml` in this language."""
    column = (2 if kind == "trades" else 1) if lang == "en" else 0
    found = (row[column] for row in table("names.toml")[kind])
    return tuple(noun for noun in found if " " not in noun)


@cache
def nouns(lang: str) -> tuple[str, ...]:
    """All of them, each once."""
    return tuple(dict.fromkeys(noun for kind in KINDS for noun in kind_nouns(kind, lang)))


def invented(rng: random.Random) -> str:
    """One of 5,000 words of two or three syllables, e.g. 'zumoti'; none is a keyword of Python ('for')."""
    middle = rng.choice(_HEADS) if rng.random() < 0.5 else ""
    word = rng.choice(_HEADS) + middle + rng.choice(_TAILS)
    return invented(rng) if iskeyword(word) else word


@cache
def glossary() -> tuple[tuple[str, str], ...]:
    """(Spanish, English) of every one-word noun."""
    rows = {kind: table("names.toml")[kind] for kind in KINDS}
    pairs = [(row[0], row[2 if kind == "trades" else 1]) for kind in KINDS for row in rows[kind]]
    return tuple((es, en) for es, en in pairs if " " not in es + en)
