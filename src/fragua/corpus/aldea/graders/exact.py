"""One of a few right replies, word for word; `strict` also heeds case, accents and marks."""

from __future__ import annotations

import unicodedata

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders.text import Grade, final_text, normal


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    said = final_text(reply)
    form = _lines if item.spec.get("strict") else normal
    accept = [form(text) for text in item.spec["accept"]]
    right = bool(said.strip()) and form(said) in accept
    return Grade(right, "right" if right else f"is not: {item.spec['accept'][0]}")


def _lines(text: str) -> str:
    """Composed characters, single spaces within lines, no empty lines, and no full stop at the end."""
    lines = [" ".join(line.split()) for line in unicodedata.normalize("NFC", text).split("\n")]
    return "\n".join(line for line in lines if line).removesuffix(".")
