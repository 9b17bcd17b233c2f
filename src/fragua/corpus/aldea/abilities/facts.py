"""Facts of the valley: asked from the subject, from the object, or 'who is …'."""

from __future__ import annotations

from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.entities import Entity, Fact, World
from fragua.corpus.aldea.holdout import SHARE, held_fact, question_about
from fragua.corpus.aldea.relations import phrasings

WHO = {
    "es": (
        "¿Quién es {s}?",
        "¿Qué sabes de {s}?",
        "Háblame de {s}.",
        "¿Conoces a {s}?",
        "Cuéntame algo de {s}.",
        "¿Quién es esa tal {s}?",
    ),
    "en": (
        "Who is {s}?",
        "What do you know about {s}?",
        "Tell me about {s}.",
        "Do you know {s}?",
        "Tell me something about {s}.",
        "Who is this {s}?",
    ),
}


KNOWN = 0.2
"""How often the exam takes a fact that conversations ask for, when it draws one: half of what it asks is then told by
texts alone."""
UNQUOTED = 0.3
"""How often a title is written without its quotation marks, as people do."""
_NO_QUOTES = str.maketrans("", "", '«»"')
TOLD = ("works_as", "lives_in")
"""What a portrait tells of a person."""


def task(asker: Asker) -> Task | None:
    if not asker.for_exam and asker.rng.random() < 0.1:
        return who(asker)
    return about(asker, asker.decks.fact())


def about(asker: Asker, fact: Fact) -> Task | None:
    """A fact's question. The exam's: a fact that no conversation asks for, or one of theirs in other words."""
    held = held_fact(fact)
    if (held and not asker.for_exam) or (asker.for_exam and not held and asker.rng.random() >= KNOWN):
        return None
    found = ask(asker, fact, 1 if held else SHARE)
    if found is None:
        return None
    question, answer, reverse = found
    if not asker.for_exam and asker.rng.random() < UNQUOTED:
        question = question.translate(_NO_QUOTES)
    unique = len([f for f in asker.world.about(fact.object) if f.relation == fact.relation]) == 1
    if held and reverse and not unique:
        return None
    tags = [
        "fact held out" if held else "phrasing held out",
        fact.relation,
        "reverse" if reverse else "direct",
    ]
    return Task(asker.opened(question), answer, "answer", lambda: key(asker.world, fact, reverse), tags=tags)


def ask(asker: Asker, fact: Fact, share: int = SHARE) -> tuple[str, str, bool] | None:
    """(question, answer, whether it was asked from the object) with a phrasing of this side."""
    said = phrasings(asker.lang)[fact.relation]
    reverse = bool(said.rq) and asker.rng.random() < 0.3
    template = asker.template(said.rq if reverse else said.q, question_about(fact, reverse), share)
    if template is None:
        return None
    key = "{o}" if reverse else "{s}"
    entity = fact.object if reverse else fact.subject
    if entity.kind == "person" and asker.rng.random() < 0.3:
        template = template.replace(key, key[:-1] + ".n}")
    answer = (said.ra if reverse else said.a)[0]
    return (
        asker.sentence(template, s=fact.subject, o=fact.object),
        asker.sentence(answer, s=fact.subject, o=fact.object),
        reverse,
    )


def who(asker: Asker) -> Task | None:
    """A portrait, for conversations: two facts at once, neither of which is the exam's."""
    person = asker.decks.entity("person")
    template = asker.template(WHO[asker.lang][:-1], person.id)
    told = {fact.relation: fact for fact in asker.world.said_of(person) if fact.relation in TOLD}
    if template is None or any(map(held_fact, told.values())):
        return None
    home = told["lives_in"].object
    others = [village for village in asker.world.of_kind("village") if village is not home]
    return Task(
        asker.opened(asker.text(template, s=person)),
        portrait(asker, person),
        "answer",
        lambda: {"accept": names([home]), "reject": names(others)},
        tags=["portrait"],
    )


def portrait(asker: Asker, person: Entity) -> str:
    """'Ada Ruiz is a miller and lives in Valverde.'"""
    trade, village = asker.world.find(person, "works_as"), asker.world.find(person, "lives_in")
    assert trade is not None and village is not None
    template = "{s} es {o} y vive en {v}." if asker.lang == "es" else "{s} is {o.a} and lives in {v}."
    return asker.sentence(template, s=person, o=trade, v=village)


def key(world: World, fact: Fact, reverse: bool) -> dict[str, list[str]]:
    """The names of every right answer, and of its kind's wrong ones."""
    facts = [f for f in world.all_facts if f.relation == fact.relation]
    side = "subject" if reverse else "object"
    given = (fact.object if reverse else fact.subject).id
    right = [getattr(f, side) for f in facts if (f.object if reverse else f.subject).id == given]
    kind = getattr(fact, side).kind
    others = world.of_kind(kind) if world.of_kind(kind) else [getattr(f, side) for f in facts]
    accept = names(right)
    reject = [name for name in names([e for e in others if e not in right]) if name not in accept]
    return {"accept": accept, "reject": reject}


def names(entities: list[Entity]) -> list[str]:
    """Every name, a person by first name alone (no two share one)."""
    found = [n for e in entities for n in ([e.es.bare] if e.kind == "person" else e.names())]
    return list(dict.fromkeys(found))
