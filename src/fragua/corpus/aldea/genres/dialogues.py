"""Dialogues: two people of the valley, or a teacher and a child, ask and answer about the world."""

from __future__ import annotations

from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("dialogues")


def render(teller: Teller) -> str:
    rng = teller.rng
    one, two = rng.sample(teller.world.of_kind("person"), 2)
    dash = rng.random() < 0.5
    lines = []

    def say(speaker: int, text: str) -> None:
        name = (one, two)[speaker].es.bare
        lines.append(f"—{text}" if dash else f"{name}: {text}")

    for _ in range(rng.randint(3, 5)):
        fact = teller.decks.real_fact() if rng.random() < 0.2 else teller.decks.fact()
        question = teller.question(fact) if rng.random() < 0.6 else None
        if question is not None:
            say(0, question)
            say(1, teller.pick(*TEXT["replies"]) + teller.answer(fact))
        else:
            say(0, teller.fill(teller.pick(*TEXT["asks"]), s=fact.subject))
            say(1, teller.pick(*TEXT["replies"]) + teller.statement(fact, 0.2))
    if rng.random() < 0.7:
        say(0, teller.pick(*TEXT["ends"]))
    return "\n".join(lines)
