"""Questions over a passage that does not say: the honest answer is that the text does not say."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.passages import framed
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.grammar import fill
from fragua.corpus.aldea.passages import not_said, passage
from fragua.corpus.aldea.relations import phrasings


def task(asker: Asker) -> Task:
    made = passage(asker.world, asker.rng, asker.lang, asker.strangers)
    person, relation = made.missing(asker.rng)
    question = fill(asker.rng.choice(phrasings(asker.lang)[relation].q), asker.lang, {"s": person})
    answer = not_said(person, relation, asker.lang)
    spec = {"mention": [person.es.bare], "kind": "not_in_text"}
    return Task(framed(asker, made.text, question), answer, "abstention", lambda: spec)
