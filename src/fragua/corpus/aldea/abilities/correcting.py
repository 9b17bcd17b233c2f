"""Sentences with slips of the pen, and the same sentences written well."""

from __future__ import annotations

from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.holdout import held_fact
from fragua.corpus.aldea.relations import phrasings
from fragua.corpus.aldea.slips import slip_key, spoilt

ASKS = {
    "es": (
        "Corrige: {x}",
        "Corrige las faltas: {x}",
        "¿Cómo se escribe bien? {x}",
        "Escribe bien esta frase: {x}",
        "Arregla esta frase: {x}",
        "Pasa a limpio: {x}",
        "Revisa lo que he escrito: {x}",
        "{x} (corrígelo)",
    ),
    "en": (
        "Correct: {x}",
        "Correct the mistakes: {x}",
        "How is this written well? {x}",
        "Write this sentence well: {x}",
        "Mend this sentence: {x}",
        "Make a clean copy: {x}",
        "Check what I wrote: {x}",
        "{x} (correct it)",
    ),
}


def task(asker: Asker) -> Task | None:
    fact = asker.decks.fact()
    said = phrasings(asker.lang)[fact.relation]
    template = asker.rng.choice([f"{{s}} {text}" for text in said.pred] + list(said.sent))
    if held_fact(fact) or not asker.mine(slip_key(fact, asker.lang)):
        return None
    right = asker.sentence(template, s=fact.subject, o=fact.object)
    wrong = spoilt(right, asker.lang, asker.rng)
    if wrong.rstrip(".") == right.rstrip("."):
        return None
    request = asker.rng.choice(ASKS[asker.lang]).replace("{x}", wrong)
    return Task(request, right, "exact", lambda: {"accept": [right], "strict": True})
