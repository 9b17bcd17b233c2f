"""Letters: someone of the valley writes to someone, in the first person, with news of third ones."""

from __future__ import annotations

from fragua.corpus.aldea.entities import Entity, Fact
from fragua.corpus.aldea.grammar import fill, listing, sentence
from fragua.corpus.aldea.relations import genre_text, phrasings
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("letters")


def own(teller: Teller, writer: Entity, facts: list[Fact]) -> str:
    """What the writer says of itself, in one or two sentences."""
    said = []
    for fact in facts:
        choices = phrasings(teller.lang)[fact.relation].first
        if fact.subject is writer and choices:
            teller.told(fact)
            said.append(fill(teller.rng.choice(choices), teller.lang, {"s": fact.subject, "o": fact.object}))
    if not said:
        return ""
    half = len(said) // 2 if len(said) > 3 and teller.rng.random() < 0.5 else 0
    parts = [said[:half], said[half:]] if half else [said]
    told = [
        teller.pick(*TEXT["more" if at else "leads"]) + listing(part, teller.lang)
        for at, part in enumerate(parts)
    ]
    return " ".join(sentence(teller.fill(text, w=writer)) for text in told)


def render(teller: Teller) -> str:
    rng, world = teller.rng, teller.world
    writer, to = teller.decks.entity("person"), rng.choice(world.of_kind("person"))
    facts = list(world.said_of(writer))
    rng.shuffle(facts)
    parts = [teller.form(*TEXT["openings"]), own(teller, writer, facts)]
    third = teller.decks.entity("person")
    if third is not writer and rng.random() < 0.8:
        parts.append(teller.fill(teller.pick(*TEXT["news"]), p=third))
        more = rng.sample(list(world.about(third)), 2)
        parts += teller.about(third, more)
    else:
        parts.append(teller.statement(teller.decks.fact()))
    greeting = teller.fill(teller.pick(*TEXT["greetings"]), t=to)
    closing = teller.fill(teller.pick(*TEXT["closings"]), w=writer)
    return f"{greeting}\n{' '.join(part for part in parts if part)}\n{closing}\n{teller.mention(writer)}"
