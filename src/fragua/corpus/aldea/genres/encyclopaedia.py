"""Encyclopaedia entries: a title and what is known of one person, village, dish, festival, invention …"""

from __future__ import annotations

from fragua.corpus.aldea.telling import Teller

KINDS: tuple[str, ...] = ("person",) * 10 + ("village",) * 3 + ("animal",) * 6
KINDS += (
    ("dish",) * 2 + ("invention",) * 3 + ("festival",) * 2 + ("event",) * 3 + ("landmark",) * 2 + ("river",)
)


def render(teller: Teller) -> str:
    entity = teller.decks.entity(teller.rng.choice(KINDS))
    facts = list(teller.world.about(entity))
    if entity.kind == "village":
        facts = teller.rng.sample(facts, min(len(facts), teller.rng.randint(6, 9)))
    teller.rng.shuffle(facts)
    body = teller.about(entity, facts)
    kin = [
        fact
        for fact in facts
        if fact.subject is entity and fact.object.kind in ("person", "village", "animal")
    ]
    if len(body) < 5 and kin:
        other = teller.rng.choice(kin).object
        more = [fact for fact in teller.world.said_of(other) if fact not in facts]
        body += teller.about(other, teller.rng.sample(more, min(3, len(more))))
    title = entity.forms(teller.lang).full
    title = title[0].upper() + title[1:]
    heading = teller.rng.choice((title, title, title.upper(), f"# {title}"))
    return f"{heading}\n{' '.join(body)}"
