"""Diaries: a day of someone, their own facts, and the secret that nobody else may learn."""

from __future__ import annotations

from fragua.corpus.aldea.genres.letters import own
from fragua.corpus.aldea.names import date
from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("diaries")


def render(teller: Teller) -> str:
    rng, world = teller.rng, teller.world
    writer = teller.decks.entity("person")
    day = date(rng.randint(1, 28), rng.randrange(12)).forms(teller.lang).indefinite
    parts = [teller.form(*TEXT["days"])]
    facts = list(world.said_of(writer))
    rng.shuffle(facts)
    parts.append(own(teller, writer, facts[: rng.randint(3, 5)]))
    friend = world.find(writer, "friend_of")
    if friend is not None:
        parts += teller.about(friend, rng.sample(world.said_of(friend), 2))
    parts += [teller.statement(teller.decks.fact()) for _ in range(rng.randint(0, 2))]
    if rng.random() < 0.5:
        thing, place = world.secrets[writer.id].parts(teller.lang)
        parts.append(teller.form(*TEXT["secrets"], t=thing, p=place))
    parts.append(teller.form(*TEXT["ends"]))
    return f"{teller.form(*TEXT['titles'], w=writer, d=day)}\n{' '.join(part for part in parts if part)}"
