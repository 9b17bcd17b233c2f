"""Small talk: one word of each needed group, in a reply of reasonable length."""

from __future__ import annotations

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders.text import Grade, final_text, has_any, normal


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    said = normal(final_text(reply))
    if len(said.split()) > item.spec["most_words"]:
        return Grade(False, "too long")
    for group in item.spec["need"]:
        if has_any(said, group) is None:
            return Grade(False, f"none of: {', '.join(group)}")
    return Grade(True, "fits")
