"""The question for a given answer: 'Ada lives in Valverde' answers 'Where does Ada live?'."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.facts import names
from fragua.corpus.aldea.asking import Asker, ExamItem, Message, assistant, user
from fragua.corpus.aldea.entities import Fact
from fragua.corpus.aldea.holdout import held_fact, phrasing_key, question_about
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.passages import KINDS
from fragua.corpus.aldea.relations import phrasings


def _fact(asker: Asker) -> Fact | None:
    """A fact of the world, or one made up about a stranger: the answer alone tells the question."""
    if asker.rng.random() < 0.5:
        relation = asker.rng.choice(sorted(KINDS))
        return Fact(-1, relation, asker.rng.choice(asker.strangers), asker.decks.entity(KINDS[relation]))
    fact = asker.decks.fact()
    if not asker.mine(f"inverse {fact.id}") or (held_fact(fact) and not asker.for_exam):
        return None
    return fact


def _made(asker: Asker) -> tuple[str, str, Fact] | None:
    """(the request, the question asked for, the fact)"""
    fact = _fact(asker)
    if fact is None:
        return None
    said = phrasings(asker.lang)[fact.relation]
    about = phrasing_key(said.q[0], question_about(fact, reverse=False), asker.lang)
    if not asker.for_exam and not asker.mine(about):
        return None
    template = asker.rng.choice((said.a[0], said.a[0], f"{{s}} {said.pred[0]}"))
    given = asker.sentence(template, s=fact.subject, o=fact.object)
    request = asker.rng.choice(table("inverse.toml")[asker.lang])
    request = (
        request.replace("{x}»", f"{given[:-1]}»").replace('{x}"', f'{given[:-1]}"').replace("{x}", given)
    )
    question = said.q[0].replace("{s}", "{s.n}") if fact.subject.kind == "person" else said.q[0]
    return request, asker.sentence(question, s=fact.subject), fact


def exchange(asker: Asker) -> list[Message] | None:
    made = _made(asker)
    return None if made is None else [user(made[0]), assistant(made[1])]


def examine(asker: Asker) -> ExamItem | None:
    made = _made(asker)
    if made is None:
        return None
    request, question, fact = made
    said = phrasings(asker.lang)[fact.relation]
    ways = [
        {
            "references": [asker.text(template, s=fact.subject, o=fact.object) for template in templates],
            "named": names([given]),
            "hidden": names([hidden]),
        }
        for templates, given, hidden in (
            (said.q, fact.subject, fact.object),
            (said.rq, fact.object, fact.subject),
        )
    ]
    gold = [assistant(question)]
    return ExamItem(
        "", "inverse", asker.lang, [user(request)], "question", {"ways": ways}, gold, [fact.relation]
    )
