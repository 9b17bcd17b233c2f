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
def kind_pairs(kind: str) -> tuple[tuple[str, str], ...]:
    """(Spanish, English) of the nouns of a kind of `names.toml`."""
    english = 2 if kind == "trades" else 1
    return tuple((row[0], row[english]) for row in table("names.toml")[kind])


@cache
def kind_nouns(kind: str, lang: str) -> tuple[str, ...]:
    """Those of one word in this language."""
    found = (pair[lang == "en"] for pair in kind_pairs(kind))
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
    """(Spanish, English) of every noun of one word in both."""
    return tuple(pair for kind in KINDS for pair in kind_pairs(kind) if " " not in "".join(pair))
