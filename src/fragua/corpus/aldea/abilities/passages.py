"""Questions over a passage about strangers: the answer stands in the text."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.facts import names
from fragua.corpus.aldea.asking import Asker, ExamItem, Message, assistant, user
from fragua.corpus.aldea.entities import Fact
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


def _made(asker: Asker) -> tuple[Passage, Fact, str]:
    made = passage(asker.world, asker.rng, asker.lang, asker.strangers)
    fact = asker.rng.choice(made.facts)
    return made, fact, framed(asker, made.text, made.question(fact, asker.rng))


def exchange(asker: Asker) -> list[Message] | None:
    made, fact, question = _made(asker)
    return [user(question), assistant(made.answer(fact))]


def examine(asker: Asker) -> ExamItem | None:
    made, fact, question = _made(asker)
    right = fact.subject if fact.relation == "owned_by" else fact.object
    others = {"friend_of": made.people, "owned_by": asker.world.strays}.get(fact.relation)
    if others is None:
        others = tuple(asker.world.of_kind(KINDS[fact.relation]))
    accept = names([right])
    asked = fact.object if fact.relation == "owned_by" else fact.subject
    reject = [name for name in names([e for e in others if e not in (right, asked)]) if name not in accept]
    return ExamItem(
        "",
        "passages",
        asker.lang,
        [user(question)],
        "answer",
        {"accept": accept, "reject": reject, "in_passage": True},
        [assistant(made.answer(fact))],
        [fact.relation],
    )
