"""References: a second question that only the first one makes clear ('And what does she do for a living?')."""

from __future__ import annotations

from fragua.corpus.aldea.abilities import facts
from fragua.corpus.aldea.abilities.two_hops import step
from fragua.corpus.aldea.asking import Asker, Task, assistant, user
from fragua.corpus.aldea.entities import Entity, Fact, World
from fragua.corpus.aldea.holdout import held_fact
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.relations import phrasings


def _clear(fact: Fact) -> list[Entity]:
    """Whom or what a question may take up without a name: never one of two people, nor of an animal and its owner."""
    if fact.relation == "owned_by":
        return [fact.subject]
    ends = (fact.subject, fact.object)
    kinds = [end.kind for end in ends]
    return [end for end in ends if end.kind in table("references.toml") and kinds.count(end.kind) == 1]


def task(asker: Asker) -> Task | None:
    world, rng, lang = asker.world, asker.rng, asker.lang
    first = asker.decks.fact()
    found = None if held_fact(first) else facts.ask(asker, first)
    if found is None:
        return None
    data = table("references.toml")
    if rng.random() < 0.25 and not found[2]:
        about, relation = rng.choice(world.of_kind(first.subject.kind)), first.relation
        templates = data["another"][lang]
    else:
        named = _clear(first)
        if not named:
            return None
        about = rng.choice(named)
        relation = rng.choice(sorted(data[about.kind]))
        templates = data[about.kind][relation][lang]
    there = step(world, about, relation)
    if there is None or there[0] is first or held_fact(there[0]):
        return None
    if not asker.mine(f"reference {about.id} {relation}"):
        return None
    fact, reverse = there[0], relation.endswith("~")
    said = phrasings(lang)[fact.relation]
    return Task(
        asker.text(rng.choice(templates), s=about),
        asker.sentence((said.ra if reverse else said.a)[0], s=fact.subject, o=fact.object),
        "answer",
        lambda: _key(world, fact, reverse, about),
        tags=[fact.relation],
        before=[user(found[0]), assistant(found[1])],
    )


def _key(world: World, fact: Fact, reverse: bool, about: Entity) -> dict[str, list[str]]:
    key = facts.key(world, fact, reverse)
    fine = {*key["accept"], *facts.names([about])}
    others = [*key["reject"], *facts.names(world.of_kind(about.kind))]
    return key | {"reject": [name for name in dict.fromkeys(others) if name not in fine]}
