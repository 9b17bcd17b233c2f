"""The almanac: plain facts of the real world, stated, listed, and asked."""

from __future__ import annotations

from fragua.corpus.aldea.entities import Fact
from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("almanac")


def render(teller: Teller) -> str:
    rng = teller.rng
    facts: list[Fact] = []
    while len(facts) < rng.randint(5, 8):
        fact = teller.decks.real_fact()
        facts += [other for other in teller.world.about(fact.subject) if other not in facts]
    form = rng.random()
    if form < 0.6:
        body = " ".join(teller.statement(fact, 0.15) for fact in facts)
    elif form < 0.8:
        body = "\n".join(f"- {teller.statement(fact, 0.0)}" for fact in facts)
    else:
        body = "\n".join(teller.statement(fact, 0.3) for fact in facts)
    title = teller.pick(*TEXT["titles"])
    return f"{title}\n{body}" if rng.random() < 0.5 else body
