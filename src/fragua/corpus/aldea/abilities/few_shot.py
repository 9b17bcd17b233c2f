"""Patterns that hold only in the prompt: a few examples and a case, answered by the pattern alone."""

from __future__ import annotations

from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.patterns import drawn, examples

HEADS = {
    "es": (
        "",
        "",
        "Sigue el patrón:\n",
        "Completa:\n",
        "Continúa:\n",
        "¿Qué falta?\n",
        "Mira los ejemplos:\n",
    ),
    "en": (
        "",
        "",
        "Follow the pattern:\n",
        "Complete:\n",
        "Go on:\n",
        "What is missing?\n",
        "See the examples:\n",
    ),
}


def task(asker: Asker) -> Task | None:
    name = drawn(asker)
    made = examples(asker, name)
    if made is None:
        return None
    shown, case, answer, joint = made
    prompt = asker.rng.choice(HEADS[asker.lang]) + joint.join([*shown, case.rstrip()])
    return Task(prompt, answer, "exact", lambda: {"accept": [answer], "strict": True}, tags=[name])
