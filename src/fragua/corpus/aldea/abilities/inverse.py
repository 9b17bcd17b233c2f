"""The question for a given answer: 'Ada lives in Valverde' answers 'Where does Ada live?'."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.facts import names
from fragua.corpus.aldea.asking import Asker, Task
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


def task(asker: Asker) -> Task | None:
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
    return Task(
        request,
        asker.sentence(question, s=fact.subject),
        "question",
        lambda: {"ways": _ways(asker, fact)},
        tags=[fact.relation],
    )


def _ways(asker: Asker, fact: Fact) -> list[dict[str, list[str]]]:
    """From either end: how it is asked, what the question names, and what it must not give away."""
    said = phrasings(asker.lang)[fact.relation]
    return [
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
