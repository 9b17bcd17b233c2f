"""The exams of a life, and what those get on the same questions who have learned nothing."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from fragua.corpus.aldea.exam import read_exam
from fragua.corpus.conversations import read_conversations
from fragua.corpus.own.write import DOCUMENTS, WORLD
from fragua.evaluation.controls import controls
from fragua.evaluation.exam import run_base_exam, run_exam
from fragua.evaluation.perplexity import perplexity, read_texts
from fragua.files import read_json
from fragua.inference.language_model import LanguageModel

GENERAL = "general"
"""The folder of a corpus with the text on which forgetting is measured."""


def sit_base_exam(model: Path, corpus: Path) -> dict[str, Any]:
    """What `run_base_exam` gives: a model that can't chat yet continues examples. Where there are own documents also
    `bits_per_byte` of each part's unseen texts."""
    lm = LanguageModel.load(model)
    return run_base_exam(lm, read_exam(str(corpus / "exam.jsonl"))) | _compression(lm, corpus)


def sit_origins_exam(model: Path, corpus: Path) -> dict[str, Any]:
    """The exam of a model that is to be adapted: as an assistant where it is known to be one, else as a base."""
    lineage = model / "fragua.json"
    assistant = lineage.is_file() and read_json(lineage).get("kind") == "assistant"
    return (sit_exam if assistant else sit_base_exam)(model, corpus)


def sit_exam(model: Path, corpus: Path, learned: int | None = None) -> dict[str, Any]:
    """What `run_exam` gives, `controls`, and `bits_per_byte` as above. `learned`: so many of the conversations."""
    items = read_exam(str(corpus / "exam.jsonl"))
    lm = LanguageModel.load(model)
    known = islice(read_conversations(corpus / "conversations.jsonl"), learned)
    return run_exam(lm, items) | {"controls": controls(items, known)} | _compression(lm, corpus)


def _compression(lm: LanguageModel, corpus: Path) -> dict[str, Any]:
    parts = {part: corpus / part / "validation.jsonl" for part in (DOCUMENTS, WORLD, GENERAL)}
    if (corpus / GENERAL).is_dir() and not (corpus / DOCUMENTS).is_dir():
        parts[WORLD] = corpus / "validation.jsonl"
    found = {
        part: perplexity(lm, read_texts(path))["bits_per_byte"]
        for part, path in parts.items()
        if path.is_file() and path.stat().st_size
    }
    return {"bits_per_byte": found} if found else {}
