"""News: a dated piece from a village about a feast, an invention, a wedding, a lost animal, a new shop."""

from __future__ import annotations

from fragua.corpus.aldea.entities import Entity
from fragua.corpus.aldea.names import date
from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("news")
KINDS = ("festival", "invention", "animal", "person", "dish", "event")


def place_of(teller: Teller, entity: Entity) -> Entity:
    """The village where a piece about the entity is dated."""
    for relation in ("celebrated_in", "lives_in", "dish_from", "happened_in"):
        found = teller.world.find(entity, relation)
        if found is not None:
            return found
    owner = teller.world.find(entity, "owned_by") or teller.world.find(entity, "invented_by")
    assert owner is not None
    return teller.world.find(owner, "lives_in") or owner


def render(teller: Teller) -> str:
    rng, world = teller.rng, teller.world
    kind = rng.choice(KINDS)
    entity = teller.decks.entity(kind)
    place = place_of(teller, entity)
    headline = teller.form(*TEXT[f"openings_{kind}"], f=entity)
    facts = list(world.said_of(entity))
    rng.shuffle(facts)
    body = teller.about(entity, facts[:4])
    kin = [fact.object for fact in facts if fact.object.kind == "person"] or [place]
    other = rng.choice(kin)
    more = [fact for fact in world.said_of(other) if fact not in facts]
    body += teller.about(other, rng.sample(more, min(len(more), 3)))
    if rng.random() < 0.6:
        body.append(teller.form(*TEXT["closings"]))
    dated = world.find(entity, "celebrated_on") or date(rng.randint(1, 28), rng.randrange(12))
    day = dated.forms(teller.lang).indefinite
    dateline = rng.choice(
        (f"{place.es.full.upper()}, {day}. ", f"{place.es.full}, {day}. — ", f"({day}) ", "")
    )
    return f"{headline.rstrip('.')}\n{dateline}{' '.join(body)}"
