"""Translation both ways: short sentences about the valley."""

from __future__ import annotations

from fragua.corpus.aldea.asking import Asker, ExamItem, Message, assistant, user
from fragua.corpus.aldea.entities import Fact
from fragua.corpus.aldea.holdout import held_fact
from fragua.corpus.aldea.pairs import numbers, side

ASKS = {
    "es": (
        "Traduce al inglés: {x}",
        "¿Cómo se dice en inglés? {x}",
        "En inglés: {x}",
        "Pon esto en inglés: {x}",
        "Pasa al inglés: {x}",
    ),
    "en": (
        "Translate into Spanish: {x}",
        "How do you say this in Spanish? {x}",
        "In Spanish: {x}",
        "Put this into Spanish: {x}",
        "Turn into Spanish: {x}",
    ),
}


def _made(asker: Asker) -> tuple[str, str, Fact] | None:
    """(request, translation, fact): the asker's language is the source's."""
    fact = asker.decks.fact() if asker.rng.random() < 0.85 else asker.decks.real_fact()
    choices = numbers(fact, asker.for_exam)
    if not choices or (held_fact(fact) and not asker.for_exam):
        return None
    number = asker.rng.choice(choices)
    other = "en" if asker.lang == "es" else "es"
    request = asker.rng.choice(ASKS[asker.lang]).replace("{x}", side(fact, number, asker.lang))
    return request, side(fact, number, other), fact


def exchange(asker: Asker) -> list[Message] | None:
    made = _made(asker)
    return None if made is None else [user(made[0]), assistant(made[1])]


def examine(asker: Asker) -> ExamItem | None:
    made = _made(asker)
    if made is None:
        return None
    request, translation, fact = made
    other = "en" if asker.lang == "es" else "es"
    references = [translation]
    named = [
        e.forms(other).bare
        for e in (fact.subject, fact.object)
        if e.kind in ("person", "village", "animal", "dish", "year")
    ]
    spec = {"references": references, "names": named}
    return ExamItem(
        "", "translation", asker.lang, [user(request)], "translation", spec, [assistant(translation)]
    )
