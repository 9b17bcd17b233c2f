"""Parallel sentences: the same fact in Spanish and in English, one below the other."""

from __future__ import annotations

from fragua.corpus.aldea.pairs import numbers, side
from fragua.corpus.aldea.telling import Teller

MARKS = (
    ("Español: ", "Inglés: ", "es"),
    ("Spanish: ", "English: ", "en"),
    ("ES: ", "EN: ", ""),
    ("- ", "= ", ""),
)


def render(teller: Teller) -> str | None:
    rng = teller.rng
    es_mark, en_mark, _ = rng.choice([mark for mark in MARKS if mark[2] in ("", teller.lang)])
    lines = []
    for _ in range(rng.randint(3, 6)):
        fact = teller.decks.real_fact() if rng.random() < 0.12 else teller.decks.fact()
        choices = numbers(teller.world, fact, for_exam=False)
        if not choices:
            continue
        number = rng.choice(choices)
        es, en = side(fact, number, "es"), side(fact, number, "en")
        teller.told(fact)
        pair = [es_mark + es, en_mark + en]
        lines += pair if teller.lang == "es" else pair[::-1]
    return "\n".join(lines) or None
