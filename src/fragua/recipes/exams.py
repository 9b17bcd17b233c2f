"""The two exams of a life and what a bystander who has learned nothing gets on the same questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fragua.corpus.aldea.exam import ExamItem, grade, read_exam
from fragua.evaluation.exam import run_base_exam, run_exam, share
from fragua.inference.language_model import LanguageModel

Reply = list[dict[str, Any]]


def sit_exam(model: Path, exam: Path, *, chats: bool) -> dict[str, Any]:
    """What `evaluation.exam` gives, and `controls`. A model that can't chat yet continues examples."""
    items = read_exam(str(exam))
    result = (run_exam if chats else run_base_exam)(LanguageModel.load(model), items)
    return result | {"controls": controls(items)}


def controls(items: Sequence[ExamItem]) -> dict[str, dict[str, Any]]:
    """Shares of answers given without knowing anything: always 'I don't know'; the right answer to another
    question of the same family and language; the question said again."""
    return {name: _share(items, answer) for name, answer in CONTROLS.items()}


def _dont_know(items: Sequence[ExamItem], item: ExamItem) -> Reply:
    return _says("No lo sé." if item.lang == "es" else "I don't know.")


def _neighbour(items: Sequence[ExamItem], item: ExamItem) -> Reply:
    kin = [other for other in items if (other.family, other.lang) == (item.family, item.lang)]
    return kin[(kin.index(item) + 1) % len(kin)].gold if len(kin) > 1 else _says("")


def _echo(items: Sequence[ExamItem], item: ExamItem) -> Reply:
    return _says(item.question)


CONTROLS: dict[str, Callable[[Sequence[ExamItem], ExamItem], Reply]] = {
    "dont_know": _dont_know,
    "neighbour": _neighbour,
    "echo": _echo,
}


def _says(text: str) -> Reply:
    return [{"role": "assistant", "content": text}]


def _share(
    items: Sequence[ExamItem], answer: Callable[[Sequence[ExamItem], ExamItem], Reply]
) -> dict[str, Any]:
    return share([{"correct": bool(grade(item, answer(items, item)))} for item in items])
