"""Greetings, who it is and what it can do, thanks, goodbyes, jokes, sad remarks and rude ones."""

from __future__ import annotations

from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.telling import settled

PLAINEST = 0.15
"""How often an intent is said in its first form, which the exam leaves alone: whoever says 'hello' is understood."""
MORE = 0.5
"""How often in one of the ways that only conversations use: the exam's share their words, not their wording."""
FORMS = 0.3
"""How often, of these, in one that is put together afresh, since people say the same in many ways. An intent that has
such is drawn twice as often in conversations."""
GREETED = 0.15


def _greeted(asker: Asker, question: str) -> str:
    """'Hello, who are you?'"""
    if not question.endswith("?") or question.startswith("I "):
        return question
    hello = asker.rng.choice(("Hola", "Buenas") if asker.lang == "es" else ("Hello", "Hi"))
    at = 1 if question[0] == "¿" else 0
    return f"{hello}, {question[:at]}{question[at].lower()}{question[at + 1 :]}"


def task(asker: Asker) -> Task | None:
    intents = table("talk.toml")
    names, forms = sorted(intents), f"forms_{asker.lang}"
    twice = not asker.for_exam
    (name,) = asker.rng.choices(names, [1 + (twice and forms in intents[name]) for name in names])
    intent = intents[name]
    plainest, *others = intent[f"q_{asker.lang}"]
    template = asker.template(others, name)
    if not asker.for_exam:
        chance = asker.rng.random()
        if template is None or chance < PLAINEST:
            template = plainest
        elif chance < PLAINEST + FORMS and forms in intent:
            template = settled([asker.rng.choice(intent[forms])], asker.rng)
        elif chance < PLAINEST + MORE:
            template = asker.rng.choice(intent[f"more_{asker.lang}"])
    if template is None:
        return None
    text = _greeted(asker, template) if asker.rng.random() < GREETED else template
    chance = asker.rng.random()
    if chance < 0.25:
        text = text.strip("¿?¡!.").lower()
    elif chance < 0.4 and text[-1].isalpha() and name not in ("sad", "insult"):
        text += asker.rng.choice((".", " :)"))
    answer = asker.rng.choice(intent[f"a_{asker.lang}"])
    spec = {"need": intent[f"need_{asker.lang}"], "most_words": 40}
    return Task(text, answer, "words", lambda: spec, tags=[name])
