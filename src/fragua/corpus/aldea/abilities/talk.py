"""Greetings, who it is and what it can do, thanks, goodbyes, jokes, sad remarks and rude ones."""

from __future__ import annotations

from fragua.corpus.aldea.asking import Asker, ExamItem, Message, assistant, user
from fragua.corpus.aldea.names import table


def _made(asker: Asker) -> tuple[str, str, list[list[str]], str] | None:
    intents = table("talk.toml")
    name = asker.rng.choice(sorted(intents))
    intent = intents[name]
    template = asker.template(intent[f"q_{asker.lang}"], name)
    if template is None:
        return None
    text = template
    chance = asker.rng.random()
    if chance < 0.25:
        text = text.strip("¿?¡!.").lower()
    elif chance < 0.4 and text[-1].isalpha() and name not in ("sad", "insult"):
        text += asker.rng.choice((".", " :)"))
    return text, asker.rng.choice(intent[f"a_{asker.lang}"]), intent[f"need_{asker.lang}"], name


def exchange(asker: Asker) -> list[Message] | None:
    made = _made(asker)
    return None if made is None else [user(made[0]), assistant(made[1])]


def examine(asker: Asker) -> ExamItem | None:
    made = _made(asker)
    if made is None:
        return None
    text, answer, need, name = made
    return ExamItem(
        "",
        "talk",
        asker.lang,
        [user(text)],
        "words",
        {"need": need, "most_words": 40},
        [assistant(answer)],
        [name],
    )
