"""A statement in both languages whose phrasings say the same thing, for translation."""

from __future__ import annotations

import random

from fragua.corpus.aldea.entities import Fact
from fragua.corpus.aldea.grammar import fill, sentence
from fragua.corpus.aldea.relations import phrasings

PLAIN = 3
"""The first so many `pred` phrasings of a relation correspond one to one in the two language tables."""


def pair_count(fact: Fact) -> int:
    return min(PLAIN, *(len(phrasings(lang)[fact.relation].pred) for lang in ("es", "en")))


def sentence_pair(fact: Fact, rng: random.Random, number: int | None = None) -> tuple[str, str]:
    """(Spanish, English) with the phrasing of this number, or a random one."""
    number = rng.randrange(pair_count(fact)) if number is None else number
    return side(fact, number, "es"), side(fact, number, "en")


def side(fact: Fact, number: int, lang: str) -> str:
    template = phrasings(lang)[fact.relation].pred[number]
    subject = "{s.a}" if fact.subject.kind == "unit" else "{s}"
    return sentence(fill(f"{subject} {template}", lang, {"s": fact.subject, "o": fact.object}))
