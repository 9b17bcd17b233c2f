"""A statement in both languages whose phrasings say the same thing, for translation."""

from __future__ import annotations

from fragua.corpus.aldea.entities import Fact, World
from fragua.corpus.aldea.grammar import fill, sentence
from fragua.corpus.aldea.holdout import held_out, translation_key
from fragua.corpus.aldea.relations import phrasings

PLAIN = 3
"""The first so many `pred` phrasings of a relation correspond one to one in the two language tables."""


def pair_count(fact: Fact) -> int:
    return min(PLAIN, *(len(phrasings(lang)[fact.relation].pred) for lang in ("es", "en")))


def numbers(world: World, fact: Fact, for_exam: bool) -> list[int]:
    """The phrasings of the fact that the exam, or everything else, may translate."""
    every = range(pair_count(fact))
    return [n for n in every if held_out(world.seed, translation_key(fact, n)) == for_exam]


def side(fact: Fact, number: int, lang: str) -> str:
    template = phrasings(lang)[fact.relation].pred[number]
    subject = "{s.a}" if fact.subject.kind == "unit" else "{s}"
    return sentence(fill(f"{subject} {template}", lang, {"s": fact.subject, "o": fact.object}))
