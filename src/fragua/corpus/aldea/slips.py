"""Slips of the pen: letters turned round, written twice, left out or confused, no accents, no capitals."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable

from fragua.corpus.aldea.entities import Fact

_COMMON = re.compile(r"(?<![\w-])[a-záéíóúüñ]{4,}(?!\w)")


def _slip(text: str, rng: random.Random, change: Callable[[str, int], str]) -> str:
    """One letter inside one of the common words changed; the words that begin with a capital stay."""
    words = list(_COMMON.finditer(text))
    if not words:
        return text
    word = rng.choice(words)
    return text[: word.start()] + change(word[0], rng.randint(1, len(word[0]) - 2)) + text[word.end() :]


def bare_letters(text: str, _: random.Random) -> str:
    """Without the accents, and n for ñ."""
    flat = unicodedata.normalize("NFD", text)
    return "".join(char for char in flat if not unicodedata.combining(char))


def swapped(text: str, rng: random.Random) -> str:
    return _slip(text, rng, lambda word, at: word[:at] + word[at + 1] + word[at] + word[at + 2 :])


def doubled(text: str, rng: random.Random) -> str:
    return _slip(text, rng, lambda word, at: word[:at] + word[at] + word[at:])


def dropped(text: str, rng: random.Random) -> str:
    return _slip(text, rng, lambda word, at: word[:at] + word[at + 1 :])


def confused(text: str, _: random.Random) -> str:
    """The letters that sound alike: b for v in Spanish words."""
    return re.sub(r"\bv|(?<=[a-zñ])v", "b", text)


def spoilt(text: str, lang: str, rng: random.Random) -> str:
    """The sentence as somebody in a hurry writes it: one slip or two, or all in small letters."""
    slips: list[Callable[[str, random.Random], str]] = [swapped, doubled, dropped]
    if lang == "es":
        slips += [bare_letters, confused]
    lowered = rng.random() < 0.5
    for slip in rng.sample(slips, rng.choice((0, 1, 1) if lowered else (1, 2))):
        text = slip(text, rng)
    return text.lower().rstrip(".") if lowered else text


def slip_key(fact: Fact, lang: str) -> str:
    """Whose sentences the exam corrects, and nothing else does (`holdout.held_out`)."""
    return f"correct {lang} {fact.id}"
