"""Dialogues: two people of the valley, or a teacher and a child, ask and answer about the world."""

from __future__ import annotations

from fragua.corpus.aldea.entities import Entity
from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("dialogues")


def render(teller: Teller) -> str:
    rng = teller.rng
    one, two = rng.sample(teller.world.of_kind("person"), 2)
    dash = rng.random() < 0.5
    lines = []

    def say(speaker: Entity, part: str, text: str) -> None:
        """The text in one of the frames of this part, addressed to the other."""
        other = two if speaker is one else one
        framed = teller.pick(*TEXT[part]).replace("{n}", "{n.n}") if part else "{x}"
        framed = teller.fill(framed, n=other, x=text, l=teller.lowered(text))
        framed = framed[0].upper() + framed[1:]
        lines.append(f"—{framed}" if dash else f"{speaker.es.bare}: {framed}")

    for _ in range(rng.randint(3, 5)):
        fact = teller.decks.real_fact() if rng.random() < 0.2 else teller.decks.fact()
        question = teller.question(fact) if rng.random() < 0.6 else None
        if question is None:
            asked = teller.fill(teller.pick(*TEXT["asks"]), s=fact.subject)
            say(one, rng.choice(("", "openers", "openers")), asked)
            say(two, rng.choice(("", "replies", "replies", "replies")), teller.statement(fact, 0.6))
        else:
            say(one, rng.choice(("", "openers", "openers", "openers")), question)
            told = teller.answer(fact) if rng.random() < 0.15 else teller.statement(fact, 0.6)
            say(two, rng.choice(("", "replies", "replies", "replies")), told)
    if rng.random() < 0.7:
        say(one, "ends", "")
    return "\n".join(lines)
