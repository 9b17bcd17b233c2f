"""A statement in both languages whose phrasings say the same thing, for translation."""

from __future__ import annotations

import random

from fragua.corpus.aldea.entities import Fact
from fragua.corpus.aldea.grammar import fill, sentence
from fragua.corpus.aldea.holdout import held_out, translation_key
from fragua.corpus.aldea.relations import frames, phrasings
from fragua.corpus.aldea.telling import settled

PLAIN = 3
"""The first so many `pred` phrasings of a relation correspond one to one in the two language tables."""


def pair_count(fact: Fact) -> int:
    return min(PLAIN, *(len(phrasings(lang)[fact.relation].pred) for lang in ("es", "en")))


def numbers(fact: Fact, for_exam: bool) -> list[int]:
    """The phrasings of the fact that the exam, or everything else, may translate."""
    every = range(pair_count(fact))
    return [n for n in every if held_out(translation_key(fact, n)) == for_exam]


def side(fact: Fact, number: int, lang: str) -> str:
    return sentence(clause(fact, number, lang))


def clause(fact: Fact, number: int, lang: str) -> str:
    """The statement as it stands inside a sentence."""
    template = phrasings(lang)[fact.relation].pred[number]
    subject = "{s.a}" if fact.subject.kind == "unit" else "{s}"
    return fill(f"{subject} {template}", lang, {"s": fact.subject, "o": fact.object})


def in_frames(clauses: dict[str, str], rng: random.Random) -> dict[str, str]:
    """The clause of each language in the same frame, as a sentence."""
    chance = rng.random()
    return {
        lang: sentence(settled(frames(lang)["wrap"], random.Random(chance)).replace("{x}", text))
        for lang, text in clauses.items()
    }
