"""A summary: one short sentence with who, what was done and to what, and nothing that contradicts the text."""

from __future__ import annotations

import re

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders.text import Grade, final_text, has_any, normal


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    said = final_text(reply).strip()
    if re.search(r"[.!?…\n]\s*\S", said):
        return Grade(False, "more than one sentence")
    text = normal(said)
    if len(text.split()) > item.spec["most_words"]:
        return Grade(False, "too long")
    for group in item.spec["need"]:
        if has_any(text, group) is None:
            return Grade(False, f"none of: {', '.join(group)}")
    wrong = has_any(text, [*item.spec["reject"], "no", "not", "nunca", "never"])
    return Grade(wrong is None, f"also says {wrong}" if wrong else "says what matters")
