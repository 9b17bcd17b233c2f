"""Reading lessons: a text about strangers, and questions that only the text can answer."""

from __future__ import annotations

from fragua.corpus.aldea.passages import passage
from fragua.corpus.aldea.telling import Teller


def render(teller: Teller) -> str:
    made = passage(teller.world, teller.rng, teller.lang, teller.decks.strangers)
    marks = ("Texto", "Pregunta", "Respuesta") if teller.lang == "es" else ("Text", "Question", "Answer")
    lines = [f"{marks[0]}: {made.text}"]
    for question, answer in made.asked(teller.rng, 2):
        lines += [f"{marks[1]}: {question}", f"{marks[2]}: {answer}"]
    return "\n".join(lines)
