"""Translation both ways: short sentences about the valley."""

from __future__ import annotations

from fragua.corpus.aldea.asking import Asker, Task
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


def task(asker: Asker) -> Task | None:
    """The asker's language is the source's."""
    fact = asker.decks.fact() if asker.rng.random() < 0.85 else asker.decks.real_fact()
    choices = numbers(fact, asker.for_exam)
    if not choices or (held_fact(fact) and not asker.for_exam):
        return None
    number = asker.rng.choice(choices)
    other = "en" if asker.lang == "es" else "es"
    request = asker.rng.choice(ASKS[asker.lang]).replace("{x}", side(fact, number, asker.lang))
    translation = side(fact, number, other)
    named = [
        e.forms(other).bare
        for e in (fact.subject, fact.object)
        if e.kind in ("person", "village", "animal", "dish", "year")
    ]
    spec = {"references": [translation], "names": named}
    return Task(request, translation, "translation", lambda: spec)
