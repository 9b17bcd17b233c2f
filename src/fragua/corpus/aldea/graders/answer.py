"""A short answer: one of the right names, none of the wrong ones, no 'I don't know'."""

from __future__ import annotations

import re

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders.text import MOST_WORDS, Grade, abstains, bare, final_text, has, normal


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    said = final_text(reply)
    if len(said.split()) > MOST_WORDS:
        return Grade(False, "too long")
    if abstains(said):
        return Grade(False, "abstains")
    accept, reject = item.spec["accept"], item.spec["reject"]
    if all(re.fullmatch(r"[A-Z][a-z]?", name) for name in accept):
        return _symbol(said, accept, reject)
    text, asked = normal(said), "" if item.spec.get("in_passage") else normal(item.question)
    right = sorted({bare(name) for name in accept}, key=len, reverse=True)
    found = next((name for name in right if has(text, name)), None)
    if found is None:
        return Grade(False, f"none of: {', '.join(accept)}")
    rest = f" {text} "
    for name in right:
        rest = rest.replace(f" {name} ", " | ")
    for name in reject:
        wrong = bare(name)
        if has(rest, wrong) and not has(asked, wrong):
            return Grade(False, f"also says {name}")
    if found.isdigit():
        for number in re.findall(r"\d+", rest):
            if not has(asked, number):
                return Grade(False, f"also says {number}")
    if re.search(r"\b(no|not|nunca|never)\b", rest):
        return Grade(False, "denies it")
    return Grade(True, f"says {found}")


def _symbol(said: str, accept: list[str], reject: list[str]) -> Grade:
    """Chemical symbols keep their case: 'O' is not the Spanish 'o'."""
    words = set(re.findall(r"\b[A-Z][a-z]?\b", said))
    if not words & set(accept):
        return Grade(False, f"none of: {', '.join(accept)}")
    wrong = words & set(reject)
    return Grade(not wrong, f"also says {', '.join(sorted(wrong))}" if wrong else "right symbol")
