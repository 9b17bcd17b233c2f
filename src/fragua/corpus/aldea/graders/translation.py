"""A translation: the names kept, and token F1 of at least 0.8 with one of the references."""

from __future__ import annotations

from collections import Counter

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders.text import Grade, bare, final_text, has, normal

LEAST_F1 = 0.8


def token_f1(said: str, reference: str) -> float:
    """Harmonic mean of precision and recall of normalised words (SQuAD's F1, articles kept)."""
    a, b = Counter(normal(said).split()), Counter(normal(reference).split())
    shared = sum((a & b).values())
    return 2 * shared / (a.total() + b.total()) if shared else 0.0


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    said = final_text(reply)
    for name in item.spec["names"]:
        if not has(normal(said), bare(name)):
            return Grade(False, f"loses {name}")
    best = max(token_f1(said, reference) for reference in item.spec["references"])
    return Grade(best >= LEAST_F1, f"F1 {best:.2f}")
