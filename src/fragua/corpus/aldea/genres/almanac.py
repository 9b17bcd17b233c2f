"""The almanac: plain facts of the real world, stated, listed, and asked."""

from __future__ import annotations

from fragua.corpus.aldea.entities import Fact
from fragua.corpus.aldea.telling import Teller

TITLES_ES = (
    "Almanaque del mundo",
    "Datos para curiosos",
    "Lo que conviene saber",
    "Apuntes de la escuela",
    "Página de datos",
    "El mundo en pocas líneas",
    "Cuaderno de geografía y otras cosas",
    "¿Sabías esto?",
)
TITLES_EN = (
    "Almanac of the world",
    "Facts for the curious",
    "Worth knowing",
    "Notes from school",
    "A page of facts",
    "The world in a few lines",
    "Notebook of geography and other things",
    "Did you know?",
)


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
    title = teller.pick(TITLES_ES, TITLES_EN)
    return f"{title}\n{body}" if rng.random() < 0.5 else body
