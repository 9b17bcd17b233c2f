"""The two exams of a life, and what those get on the same questions who have learned nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fragua.corpus.aldea.exam import read_exam
from fragua.corpus.conversations import read_conversations
from fragua.evaluation.controls import controls
from fragua.evaluation.exam import run_base_exam, run_exam
from fragua.inference.language_model import LanguageModel


def sit_base_exam(model: Path, exam: Path) -> dict[str, Any]:
    """What `run_base_exam` gives: a model that can't chat yet continues examples."""
    return run_base_exam(LanguageModel.load(model), read_exam(str(exam)))


def sit_exam(model: Path, exam: Path, conversations: Path) -> dict[str, Any]:
    """What `run_exam` gives, and `controls`."""
    items = read_exam(str(exam))
    result = run_exam(LanguageModel.load(model), items)
    return result | {"controls": controls(items, read_conversations(conversations))}
