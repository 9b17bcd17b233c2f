"""Questions over a passage that does not say: the honest answer is that the text does not say."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.reading import framed, further, unsaid
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.passages import passage


def task(asker: Asker) -> Task:
    made = passage(asker.world, asker.rng, asker.lang, asker.strangers)
    person, (question, answer) = unsaid(asker, made)
    spec = {"mention": [person.es.bare], "kind": "not_in_text"}
    request = framed(asker, made.text, question)
    return Task(request, answer, "abstention", lambda: spec, further=further(asker, made, question))
