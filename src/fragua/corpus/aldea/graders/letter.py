"""A letter: greets whom it is for, says what it should, and is signed by the one who writes."""

from __future__ import annotations

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders.text import MOST_WORDS, Grade, final_text, has, has_any, normal

FEWEST_LINES = 3


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    """`spec`: `to` and `from` (names), `greet` (words), `points` (groups, one phrase of each stands in the body)."""
    said = final_text(reply)
    lines = [line for line in map(normal, said.split("\n")) if line]
    if len(said.split()) > MOST_WORDS or len(lines) < FEWEST_LINES:
        return Grade(False, "not a short letter with greeting, body and signature")
    spec, (first, *body, last) = item.spec, lines
    if has_any(first, spec["to"]) is None or has_any(first, spec["greet"]) is None:
        return Grade(False, f"does not greet {spec['to'][0]}")
    if has_any(last, spec["from"]) is None or has_any(last, spec["to"]) is not None:
        return Grade(False, f"is not signed by {spec['from'][0]}")
    for group in spec["points"]:
        if not any(has(line, normal(phrase)) for line in body for phrase in group):
            return Grade(False, f"none of: {', '.join(group)}")
    return Grade(True, "a letter with all its points")
