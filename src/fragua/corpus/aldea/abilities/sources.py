"""Questions over a passage, answered with the sentence that says so in quotation marks."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.reading import framed, further, key, quoted
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.passages import passage


def task(asker: Asker) -> Task:
    made = passage(asker.world, asker.rng, asker.lang, asker.strangers)
    fact = asker.rng.choice(made.facts)
    question, answer = quoted(asker, made, fact)
    about = fact.object if fact.relation == "owned_by" else fact.subject
    return Task(
        framed(asker, made.text, question),
        answer,
        "quotation",
        lambda: {**key(asker.world, made, fact), "about": about.es.bare, "passage": made.text},
        tags=[fact.relation],
        further=further(asker, made, question, fact),
    )
