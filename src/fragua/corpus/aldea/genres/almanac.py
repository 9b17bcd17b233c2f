"""The almanac: plain facts of the real world, told and listed."""

from __future__ import annotations

from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("almanac")


def render(teller: Teller) -> str:
    rng, world = teller.rng, teller.world
    told = []
    for _ in range(rng.randint(3, 5)):
        subject = teller.decks.real_subject()
        facts = world.said_of(subject)
        told += (
            teller.about(subject, rng.sample(facts, len(facts)))
            if len(facts) > 1
            else [teller.statement(facts[0])]
        )
    form = rng.random()
    body = " ".join(told) if form < 0.6 else "\n".join(f"- {text}" if form < 0.8 else text for text in told)
    return f"{teller.pick(*TEXT['titles'])}\n{body}" if rng.random() < 0.5 else body
