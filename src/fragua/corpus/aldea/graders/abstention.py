"""An honest 'I don't know' (or 'the text does not say') that names what it does not know."""

from __future__ import annotations

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders.text import MOST_WORDS, Grade, abstains, final_text, has_any, normal


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    said = final_text(reply)
    if len(said.split()) > MOST_WORDS:
        return Grade(False, "too long")
    if not abstains(said):
        return Grade(False, "does not abstain")
    if has_any(normal(said), item.spec["mention"]) is None:
        return Grade(False, f"does not name {item.spec['mention'][0]}")
    return Grade(True, "abstains")
