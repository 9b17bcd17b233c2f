"""References: a second question that only the first one makes clear ('And what does she do for a living?')."""

from __future__ import annotations

from dataclasses import dataclass

from fragua.corpus.aldea.abilities import facts
from fragua.corpus.aldea.abilities.two_hops import step
from fragua.corpus.aldea.asking import Asker, ExamItem, Message, assistant, user
from fragua.corpus.aldea.entities import Entity, Fact
from fragua.corpus.aldea.holdout import held_fact
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.relations import phrasings


@dataclass(frozen=True)
class Talk:
    """What was said before, the question that refers to it, and the fact that answers it."""

    before: list[Message]
    question: str
    fact: Fact
    about: Entity
    reverse: bool
    answer: str


def _clear(fact: Fact) -> list[Entity]:
    """Whom or what a question may take up without a name: never one of two people, nor of an animal and its owner."""
    if fact.relation == "owned_by":
        return [fact.subject]
    ends = (fact.subject, fact.object)
    kinds = [end.kind for end in ends]
    return [end for end in ends if end.kind in table("references.toml") and kinds.count(end.kind) == 1]


def _made(asker: Asker) -> Talk | None:
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
    return Talk(
        [user(found[0]), assistant(found[1])],
        asker.text(rng.choice(templates), s=about),
        fact,
        about,
        reverse,
        asker.sentence((said.ra if reverse else said.a)[0], s=fact.subject, o=fact.object),
    )


def exchange(asker: Asker) -> list[Message] | None:
    made = _made(asker)
    return None if made is None else [*made.before, user(made.question), assistant(made.answer)]


def examine(asker: Asker) -> ExamItem | None:
    made = _made(asker)
    if made is None:
        return None
    spec = facts.key(asker.world, made.fact, made.reverse)
    fine = {*spec["accept"], *facts.names([made.about])}
    others = facts.names(asker.world.of_kind(made.about.kind))
    spec["reject"] = [name for name in dict.fromkeys([*spec["reject"], *others]) if name not in fine]
    return ExamItem(
        "",
        "references",
        asker.lang,
        [*made.before, user(made.question)],
        "answer",
        spec,
        [assistant(made.answer)],
        [made.fact.relation],
    )
