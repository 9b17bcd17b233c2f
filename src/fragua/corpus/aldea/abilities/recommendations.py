"""Recommendations for a stated taste: something of the valley that fits it, and why."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.facts import names
from fragua.corpus.aldea.asking import Asker, ExamItem, Message, assistant, user
from fragua.corpus.aldea.entities import Entity, Fact, World
from fragua.corpus.aldea.holdout import held_fact
from fragua.corpus.aldea.names import table


def month_of(date: Entity, world: World) -> Entity:
    return world.of_kind("month")[int(date.id.split(":")[1][:2]) - 1]


def liked(fact: Fact, world: World) -> Entity:
    """What a person may like about the fact: of a date its month."""
    return month_of(fact.object, world) if fact.relation == "celebrated_on" else fact.object


def _made(asker: Asker) -> tuple[str, str, Fact, Entity] | None:
    """(the request, the answer, its fact, what is liked)"""
    wishes = table("recommendations.toml")
    fact = asker.decks.fact(*wishes)
    taste = liked(fact, asker.world)
    if held_fact(fact) or not asker.mine(f"recommend {fact.relation} {taste.id}", 3):
        return None
    wish, lang = wishes[fact.relation], asker.lang
    holes: dict[str, Entity | str] = {"o": taste, "l": with_article(taste, lang)}
    request = asker.text(asker.rng.choice(wish[lang]), **holes)
    date = fact.object.forms(lang).full
    return request, asker.text(wish[f"good_{lang}"], s=fact.subject, x=date, **holes), fact, taste


def with_article(noun: Entity, lang: str) -> str:
    """'las castañas', 'la miel', 'el gato'; English needs none for what one likes."""
    if lang == "en":
        return noun.en.full
    plural = noun.es.bare.endswith("s")
    article = {"m": ("el", "los"), "f": ("la", "las")}[noun.gender][plural]
    return f"{article} {noun.es.bare}"


def exchange(asker: Asker) -> list[Message] | None:
    made = _made(asker)
    return None if made is None else [user(asker.opened(made[0])), assistant(made[1])]


def examine(asker: Asker) -> ExamItem | None:
    """Every taste equally often, however much fits it."""
    made = _made(asker)
    if made is None:
        return None
    request, answer, fact, taste = made
    world = asker.world
    same = [f for f in world.facts if f.relation == fact.relation]
    right = [f.subject for f in same if liked(f, world) is taste]
    if asker.rng.random() * len(right) >= 1:
        return None
    accept = names(right)
    fine = {*accept, *names([taste])}
    others = names([*world.of_kind(fact.subject.kind), *world.of_kind(taste.kind)])
    spec = {"accept": accept, "reject": [name for name in others if name not in fine]}
    gold = [assistant(answer)]
    return ExamItem("", "recommendations", asker.lang, [user(request)], "answer", spec, gold, [fact.relation])
