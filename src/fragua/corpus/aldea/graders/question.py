"""A question for a given answer: near one of the relation's questions, naming what is given, not the answer."""

from __future__ import annotations

from typing import Any

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders.text import Grade, final_text, has_any, normal
from fragua.corpus.aldea.graders.translation import token_f1

LEAST_F1 = 0.75


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    said = final_text(reply).strip()
    if not said.endswith("?"):
        return Grade(False, "not a question")
    near = max(_nearness(said, way) for way in item.spec["ways"])
    return Grade(near >= LEAST_F1, f"F1 {near:.2f}")


def _nearness(said: str, way: dict[str, Any]) -> float:
    """The best F1 with a question of this direction; 0 if it gives the answer away or asks about something else."""
    text = normal(said)
    if has_any(text, way["named"]) is None or has_any(text, way["hidden"]) is not None:
        return 0.0
    return max((token_f1(said, reference) for reference in way["references"]), default=0.0)
