"""What the side panel tells of a model: where it comes from, and how it did in its exam."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fragua.files import read_json
from fragua.language import Say
from fragua.server.hosted import Hosted


def facts(model: Hosted, say: Say) -> Iterator[tuple[str, str]]:
    """Names and values, in the order in which they are read."""
    config, record = model.lm.model.config, model.lineage
    yield say("parámetros", "parameters"), _number(config.parameters())
    yield say("contexto", "context"), f"{_number(config.context)} tokens"
    if record.get("kind"):
        kinds = {"assistant": say("asistente", "assistant"), "base": say("base", "base")}
        yield say("clase", "kind"), kinds.get(record["kind"], str(record["kind"]))
    figures = record.get("figures") or {}
    if isinstance(figures.get("tokens"), int):
        yield say("entrenado con", "trained on"), f"{_number(figures['tokens'])} tokens"
    if isinstance(figures.get("validation_bits_per_byte"), float):
        told = f"{figures['validation_bits_per_byte']:.3f} bits/byte"
        yield say("en textos apartados", "on held-out text"), told
    for corpus in _corpora(record):
        yield (
            say("corpus", "corpus"),
            f"{_number(corpus.get('documents', 0))} · {', '.join(corpus.get('sources', {}))}",
        )
    exam = _exam(model)
    if exam is not None:
        yield say("examen", "exam"), say(*[f"{exam[0]} / {exam[1]}"] * 2)
    if record.get("weights"):
        yield say("pesos", "weights"), str(record["weights"])[:12]


def _number(value: int) -> str:
    """With a thin space between thousands, which both languages read."""
    return f"{value:,}".replace(",", "\u202f")


def _corpora(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if record.get("corpus"):
        yield record["corpus"]
    for parent in record.get("parents") or []:
        yield from _corpora(parent)


def _exam(model: Hosted) -> tuple[int, int] | None:
    """Right answers and questions, from the life that the model was made in."""
    if model.lm.directory is None:
        return None
    path = model.lm.directory.resolve().parent / "run.json"
    stages = read_json(path).get("stages", []) if path.is_file() else []
    name = "exam" if model.lineage.get("kind") == "assistant" else "exam_base"
    for stage in stages:
        figures = stage.get("figures") or {}
        if stage.get("name") == name and "items" in figures:
            return figures["correct"], figures["items"]
    return None
