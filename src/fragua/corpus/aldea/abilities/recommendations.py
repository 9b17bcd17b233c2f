"""Recommendations for a stated taste: something of the valley that fits it, and why."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.facts import names
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.entities import Entity, Fact, World
from fragua.corpus.aldea.holdout import held_fact
from fragua.corpus.aldea.names import table


def month_of(date: Entity, world: World) -> Entity:
    return world.of_kind("month")[int(date.id.split(":")[1][:2]) - 1]


def liked(fact: Fact, world: World) -> Entity:
    """What a person may like about the fact: of a date its month."""
    return month_of(fact.object, world) if fact.relation == "celebrated_on" else fact.object


def task(asker: Asker) -> Task | None:
    """In an exam every taste comes equally often, however much fits it."""
    wishes = table("recommendations.toml")
    fact = asker.decks.fact(*wishes)
    taste = liked(fact, asker.world)
    if held_fact(fact) or not asker.mine(f"recommend {fact.relation} {taste.id}", 3):
        return None
    wish, lang = wishes[fact.relation], asker.lang
    holes: dict[str, Entity | str] = {"o": taste, "l": with_article(taste, lang)}
    request = asker.text(asker.rng.choice(wish[lang]), **holes)
    date = fact.object.forms(lang).full
    answer = asker.text(wish[f"good_{lang}"], s=fact.subject, x=date, **holes)
    if asker.for_exam and asker.rng.random() * len(_fitting(fact, asker.world)) >= 1:
        return None
    return Task(
        asker.opened(request), answer, "answer", lambda: _key(fact, asker.world), tags=[fact.relation]
    )


def _fitting(fact: Fact, world: World) -> list[Entity]:
    """All that may be recommended to the same taste."""
    taste = liked(fact, world)
    return [f.subject for f in world.facts if f.relation == fact.relation and liked(f, world) is taste]


def _key(fact: Fact, world: World) -> dict[str, list[str]]:
    accept, taste = names(_fitting(fact, world)), liked(fact, world)
    fine = {*accept, *names([taste])}
    others = names([*world.of_kind(fact.subject.kind), *world.of_kind(taste.kind)])
    return {"accept": accept, "reject": [name for name in others if name not in fine]}


def with_article(noun: Entity, lang: str) -> str:
    """'las castañas', 'la miel', 'el gato'; English needs none for what one likes."""
    if lang == "en":
        return noun.en.full
    plural = noun.es.bare.endswith("s")
    article = {"m": ("el", "los"), "f": ("la", "las")}[noun.gender][plural]
    return f"{article} {noun.es.bare}"
