"""The right answer in the form that was asked for: content by names, form by one check each."""

from __future__ import annotations

import json
from collections.abc import Callable

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders import answer
from fragua.corpus.aldea.graders.text import Grade, bare, final_text, has, normal
from fragua.corpus.aldea.graders.translation import LEAST_F1, token_f1

FEWEST_WORDS = 3
"""Of a full sentence."""


def _one_of(said: str, item: ExamItem) -> bool:
    return bare(said) in {bare(name) for name in item.spec["accept"]}


def _sentence(said: str, _: ExamItem) -> bool:
    whole = len(said.split()) >= FEWEST_WORDS and said[:1].isupper() and said.endswith((".", "!"))
    return whole and "?" not in said


def _capitals(said: str, _: ExamItem) -> bool:
    return said == said.upper()


def _other(said: str, item: ExamItem) -> bool:
    return token_f1(said, item.spec["reference"]) >= LEAST_F1


def _json(said: str, item: ExamItem) -> bool:
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        return False
    key = item.spec["x"]
    accept = {bare(name) for name in item.spec["accept"]}
    return isinstance(found, dict) and list(found) == [key] and bare(str(found[key])) in accept


def _without(said: str, item: ExamItem) -> bool:
    named = has(normal(said), normal(item.spec["subject"]))
    return len(said.split()) >= FEWEST_WORDS and named and not has(normal(said), normal(item.spec["x"]))


def _ending(said: str, item: ExamItem) -> bool:
    return _sentence(said, item) and normal(said).endswith(f" {normal(item.spec['x'])}")


def _opening(said: str, item: ExamItem) -> bool:
    return _sentence(said, item) and normal(said).startswith(f"{normal(item.spec['x'])} ")


CHECKS: dict[str, Callable[[str, ExamItem], bool]] = {
    "one_of": _one_of,
    "one_word": _one_of,
    "sentence": _sentence,
    "capitals": _capitals,
    "other": _other,
    "json": _json,
    "without": _without,
    "ending": _ending,
    "opening": _opening,
}


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    content = answer.grade(item, reply)
    if not content:
        return content
    form = item.spec["form"]
    if not CHECKS[form](final_text(reply).strip(), item):
        return Grade(False, f"not in the form '{form}'")
    return content
