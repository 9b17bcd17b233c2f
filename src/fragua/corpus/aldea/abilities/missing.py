"""Questions over a passage that does not say: the honest answer is that the text does not say."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.passages import framed
from fragua.corpus.aldea.asking import Asker, ExamItem, Message, assistant, user
from fragua.corpus.aldea.entities import Entity
from fragua.corpus.aldea.grammar import fill
from fragua.corpus.aldea.passages import not_said, passage
from fragua.corpus.aldea.relations import phrasings


def _made(asker: Asker) -> tuple[str, Entity, str]:
    made = passage(asker.world, asker.rng, asker.lang, asker.strangers)
    person, relation = made.missing(asker.rng)
    question = fill(asker.rng.choice(phrasings(asker.lang)[relation].q), asker.lang, {"s": person})
    return framed(asker, made.text, question), person, not_said(person, relation, asker.lang)


def exchange(asker: Asker) -> list[Message] | None:
    question, _, answer = _made(asker)
    return [user(question), assistant(answer)]


def examine(asker: Asker) -> ExamItem | None:
    question, person, answer = _made(asker)
    spec = {"mention": [person.es.bare], "kind": "not_in_text"}
    return ExamItem("", "missing", asker.lang, [user(question)], "abstention", spec, [assistant(answer)])
