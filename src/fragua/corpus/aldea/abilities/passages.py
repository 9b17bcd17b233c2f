"""Questions over a passage about strangers: the answer stands in the text."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.reading import framed, further, key
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.passages import passage


def task(asker: Asker) -> Task:
    made = passage(asker.world, asker.rng, asker.lang, asker.strangers)
    fact = asker.rng.choice(made.facts)
    question = made.question(fact, asker.rng)
    return Task(
        framed(asker, made.text, question),
        made.answer(fact),
        "answer",
        lambda: {**key(asker.world, made, fact), "in_passage": True},
        tags=[fact.relation],
        further=further(asker, made, question, fact),
    )
