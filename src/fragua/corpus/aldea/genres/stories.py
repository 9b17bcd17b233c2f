"""Short stories with a plot: someone wants or loses something, is helped by someone, and it ends well."""

from __future__ import annotations

from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("stories")


def render(teller: Teller) -> str:
    rng, world = teller.rng, teller.world
    hero = teller.decks.entity("person")
    helper = world.find(hero, rng.choice(("friend_of", "married_to"))) or world.find(hero, "friend_of")
    village, dish = world.find(hero, "lives_in"), world.find(hero, "likes")
    assert helper is not None and village is not None and dish is not None
    thing, short = teller.pick(*TEXT["things"]).split(" => ")
    facts = list(world.about(hero))
    parts = [teller.form(*TEXT["starts"], h=hero, v=village)]
    parts += teller.about(hero, rng.sample(facts, min(len(facts), rng.randint(2, 4))))
    parts.append(teller.form(*TEXT["problems"], t=thing))
    if rng.random() < 0.7:
        parts.append(teller.form(*TEXT["tries"]))
    parts.append(teller.form(*TEXT["helps"], x=helper))
    parts += teller.about(helper, rng.sample(world.said_of(helper), 2))
    if rng.random() < 0.7:
        parts.append(teller.form(*TEXT["says"], x=helper))
    if rng.random() < 0.4:
        parts.append(teller.form(*TEXT["turns"], h=hero, x=helper))
    parts.append(teller.form(*TEXT["finds"], t=short))
    parts.append(teller.form(*TEXT["ends"], h=hero, x=helper, d=dish, v=village))
    return " ".join(parts)
