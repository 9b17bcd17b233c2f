"""Questions over a passage about strangers: the answer stands in the text."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.facts import names
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.entities import Fact, World
from fragua.corpus.aldea.passages import KINDS, Passage, passage

FORMS = {
    "es": (
        "{t}\n{q}",
        "Texto: {t}\nPregunta: {q}",
        "{t} {q}",
        "Lee: {t}\n{q}",
        "Según este texto, responde. {t}\n{q}",
    ),
    "en": (
        "{t}\n{q}",
        "Text: {t}\nQuestion: {q}",
        "{t} {q}",
        "Read: {t}\n{q}",
        "Answer from this text. {t}\n{q}",
    ),
}


def framed(asker: Asker, text: str, question: str) -> str:
    return asker.rng.choice(FORMS[asker.lang]).replace("{t}", text).replace("{q}", question)


def task(asker: Asker) -> Task:
    made = passage(asker.world, asker.rng, asker.lang, asker.strangers)
    fact = asker.rng.choice(made.facts)
    request = framed(asker, made.text, made.question(fact, asker.rng))
    return Task(
        request,
        made.answer(fact),
        "answer",
        lambda: {**key(asker.world, made, fact), "in_passage": True},
        tags=[fact.relation],
    )


def key(world: World, made: Passage, fact: Fact) -> dict[str, list[str]]:
    """The names of the answer, and of its kind's others that the question does not name itself."""
    asked, right = fact.subject, fact.object
    if fact.relation == "owned_by":
        asked, right = right, asked
    others = {"friend_of": made.people, "owned_by": world.strays}.get(fact.relation)
    accept = names([right])
    wrong = names([e for e in others or world.of_kind(KINDS[fact.relation]) if e not in (right, asked)])
    return {"accept": accept, "reject": [name for name in wrong if name not in accept]}
