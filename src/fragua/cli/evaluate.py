"""`fragua evaluate`: how well a model predicts a text, or answers an exam."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fragua.errors import InputError

if TYPE_CHECKING:
    from fragua.inference.language_model import LanguageModel

Load = Callable[[], "LanguageModel"]

TASKS = ("perplexity", "exam", "xquad")
ITEMS = 600
SHOWN = {
    "perplexity": ("loss", "perplexity", "bits_per_byte", "tokens", "bytes", "documents"),
    "xquad": (
        "questions",
        "answerable.exact_match",
        "answerable.f1",
        "answerable.answered.value",
        "answerable.by_model",
        "unanswerable.abstained.value",
        "overall_f1",
        "retrieval.recall_at_1",
        "retrieval.recall_at_5",
        "retrieval.sentence_holds_answer",
        "retrieval.exact_match",
        "retrieval.f1",
    ),
}


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model directory.")],
    task: Annotated[str, typer.Option(help="perplexity, exam or xquad (any file in SQuAD's form).")],
    data: Annotated[
        Path | None,
        typer.Option(help='Text: .txt, or .jsonl with "text". Exam: an exam.jsonl. xquad: its JSON.'),
    ] = None,
    world: Annotated[int | None, typer.Option(help="Exam: make it for the world of this seed.")] = None,
    items: Annotated[int | None, typer.Option(help="How many questions; of a world 600, else all.")] = None,
    few_shot: Annotated[
        bool, typer.Option("--few-shot", help="Exam: for a base model, plain text after four examples.")
    ] = False,
    conversations: Annotated[
        Path | None,
        typer.Option(help="Exam: the fine-tuning set, for the control that copies from it."),
    ] = None,
    stride: Annotated[
        int | None, typer.Option(help="Perplexity: how far the window moves in long texts; half the context.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads.")] = None,
    weights: Annotated[
        str, typer.Option(help="Compute with float32, bfloat16, int8 or int4 weights.")
    ] = "float32",
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Measure a model: --task perplexity or xquad --data FILE, or exam with --data FILE or --world SEED."""
    if task not in TASKS:
        raise InputError(f"'{task}' is not a task", "--task", " or ".join(TASKS))
    load = partial(_load, model, threads, weights)
    if task == "perplexity":
        figures = _perplexity(load, data, stride)
    elif task == "xquad":
        figures = _reading(load, data, items)
    else:
        figures = _exam(load, data, world, items, few_shot, conversations)
    if json or task != "exam":
        from fragua.cli.output import result
        from fragua.files import flat

        figures = figures if json else flat(figures)
        result(figures, json, SHOWN.get(task, ()))
    else:
        _table(figures)


def _load(model: Path, threads: int | None, weights: str) -> LanguageModel:
    import fragua

    return fragua.load(str(model), threads=threads, weights=weights)


def _perplexity(load: Load, data: Path | None, stride: int | None) -> dict[str, Any]:
    if data is None:
        raise InputError("a text is needed", "--data", 'a .txt, or a .jsonl with "text"')
    if stride is not None and stride < 1:
        raise InputError(f"{stride} tokens are no step", "--stride", "1 or more")
    from fragua.evaluation.perplexity import perplexity, read_texts

    texts = list(read_texts(data))
    return perplexity(load(), texts, stride)


def _reading(load: Load, data: Path | None, items: int | None) -> dict[str, Any]:
    if data is None:
        raise InputError("questions are needed", "--data", "a file in SQuAD's form, e.g. xquad.es.json")
    _check_items(items)
    from fragua.evaluation.reading import read_squad, reading

    read_squad(data)
    return reading(load(), data, items)


def _check_items(items: int | None) -> None:
    if items is not None and items < 1:
        raise InputError(f"{items} questions are no exam", "--items", "1 or more")


def _exam(
    load: Load,
    data: Path | None,
    world: int | None,
    count: int | None,
    few_shot: bool,
    conversations: Path | None,
) -> dict[str, Any]:
    if (data is None) == (world is None):
        raise InputError("one of the two is needed", "--data or --world", "an exam.jsonl, or a world's seed")
    _check_items(count)
    from fragua.corpus.aldea.exam import exam_items, read_exam
    from fragua.corpus.aldea.world import build_world
    from fragua.corpus.conversations import read_conversations

    known = None if conversations is None else list(read_conversations(conversations))
    if data is not None:
        questions = read_exam(str(data))[:count]
    else:
        assert world is not None
        questions = exam_items(build_world(world), world, count or ITEMS)
    if not questions:
        raise InputError("holds no question", data or f"world {world}")

    from fragua.evaluation.controls import controls
    from fragua.evaluation.exam import run_base_exam, run_exam

    lm = load()
    figures = (run_base_exam if few_shot else run_exam)(lm, questions)
    return {"world": world, **figures, "controls": controls(questions, known)}


def _table(figures: dict[str, Any]) -> None:
    """The shares of an exam by family and language, what the controls get beside them, the whole last."""
    from rich.console import Console
    from rich.table import Table

    langs, controls = list(figures["by_language"]), figures["controls"]
    table = Table(box=None, header_style="dim")
    for name in ("", "right", "95 %", "questions", *langs, *controls):
        table.add_column(name, justify="left" if not name else "right")
    families = figures["by_family_and_language"]
    for name, part in figures["by_family"].items():
        beside = [families[name].get(lang) for lang in langs]
        beside += [control["by_family"].get(name) for control in controls.values()]
        table.add_row(name.replace("_", " "), *_cells(part, beside))
    for name, part in figures["by_kind"].items():
        others = [control["by_kind"].get(name) for control in controls.values()]
        table.add_row(_KINDS[name], *_cells(part, [None for _ in langs] + others), style="dim")
    beside = [*figures["by_language"].values(), *(control["accuracy"] for control in controls.values())]
    table.add_row("all", *_cells(figures["accuracy"], beside), style="bold")
    console = Console()
    console.print(table)
    if figures["world"] is not None:
        console.print(
            f"The facts are those of world {figures['world']}: only a model that read about it can know them; "
            "abilities should hold anywhere.",
            style="dim",
        )


_KINDS = {"knowledge": "facts by heart", "ability": "abilities"}


def _cells(part: dict[str, Any], beside: list[dict[str, Any] | None]) -> list[str]:
    cells = [f"{part['value']:.0%}", f"{part['low']:.0%} – {part['high']:.0%}", str(part["n"])]
    return cells + ["" if share is None else f"{share['value']:.0%}" for share in beside]
