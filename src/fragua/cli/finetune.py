"""`fragua finetune`: an assistant from conversations, answers from pairs of texts, or a head from labelled rows."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from fragua.cli.output import result
from fragua.errors import InputError

JUDGED = ("accuracy", "macro_f1", "span_f1", "log_loss", "calibration_error", "mse", "pearson", "spearman")
LABELS = ("rows", "steps", "best_step", "seconds", "loss", "dev_rows", *(f"dev_{name}" for name in JUDGED))
"""What is shown; of the rows that were held out, what there is."""


def finetune(
    model: Annotated[Path, typer.Argument(help="Model directory to start from.")],
    data: Annotated[
        Path,
        typer.Option(
            help="chat: OpenAI messages, Alpaca or ShareGPT; JSON or JSONL. "
            'seq2seq: JSONL of {"source", "target", "prefix"?}. '
            "Labels: JSONL, CSV, TSV, Parquet; tags also in two columns."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Model directory to make; an unfinished one is gone on with.")],
    task: Annotated[
        str,
        typer.Option(
            help="chat; seq2seq (a source is read, its target written); "
            "or labels: classify, pair (of texts), regress, tag (words)."
        ),
    ] = "chat",
    dev: Annotated[
        Path | None,
        typer.Option(
            help="Rows to judge on; if not given, of labels a tenth of the data, of pairs a fiftieth."
        ),
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(help="seq2seq: share of what is wanted, spread over all tokens.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="Labels: what learns: full, last-K, frozen or lora; full if not given.")
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Labels: the directory's shape with new weights.")
    ] = False,
    columns: Annotated[
        str | None, typer.Option(help="Labels: the file's own names, e.g. text=sentence,label=class.")
    ] = None,
    dev_share: Annotated[
        float | None, typer.Option(help="Labels: share of the data that is held out without --dev.")
    ] = None,
    pooling: Annotated[
        str | None, typer.Option(help="Labels of texts are told from: family (as transformers) or mean.")
    ] = None,
    layer_decay: Annotated[
        float | None, typer.Option(help="Labels: each block learns so much slower than that above; 0.9.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Labels: evaluations without a better loss until it stops; 3.")
    ] = None,
    batch_rows: Annotated[int | None, typer.Option(help="Labels: rows a step.")] = None,
    conversations: Annotated[
        int | None, typer.Option(help="Chat: only so many, from the beginning of the file.")
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            help="Chat: a corpus folder or file of texts to read on between conversations, so that what they tell "
            "is not forgotten."
        ),
    ] = None,
    texts_share: Annotated[
        float | None, typer.Option(help="Chat: the share of rows that hold texts; 0.05.")
    ] = None,
    texts_genres: Annotated[
        list[str] | None,
        typer.Option(help="Chat: only texts of this genre; may be repeated; all if not given."),
    ] = None,
    texts_weight: Annotated[
        float | None, typer.Option(help="Chat: what a token of texts counts beside one of a reply; 0.1.")
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Times through the data; chat 3, of labels derived.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps, instead of epochs.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Chat: tokens a step; 8192.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak learning rate; derived if not given.")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="Chat: muon or adamw; muon if not given, adamw for LoRA.")
    ] = None,
    lora_rank: Annotated[
        int | None, typer.Option(help="Learn changes of this rank beside frozen weights (LoRA).")
    ] = None,
    lora_alpha: Annotated[
        float | None, typer.Option(help="LoRA's changes count alpha / rank; twice the rank if not given.")
    ] = None,
    lora_dropout: Annotated[
        float | None, typer.Option(help="Share of inputs that LoRA's changes do not see.")
    ] = None,
    frozen: Annotated[
        str | None,
        typer.Option(
            help="Chat: LoRA's frozen weights: float32, int8, or auto (int8 where memory is short)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the order.")] = 0,
    precision: Annotated[str, typer.Option(help="auto (measured), float32 or bfloat16.")] = "auto",
    compile: Annotated[str | None, typer.Option(help="Chat: auto, on or off.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Make an assistant of a base model, teach it pairs, or with --task give it labels to tell. The same command on an
    unfinished --out goes on with it."""
    given: dict[str, Any] = {
        key: value
        for key, value in locals().items()
        if key not in ("out", "json") and value is not None and value is not False
    }
    from fragua.corpus.labelled import Task  # here, because `--help` need not read it

    known = ("chat", "seq2seq", *get_args(Task))
    if task not in known:
        raise InputError(f"'{task}' is not a task", "--task", f"known: {', '.join(known)}")
    if task in get_args(Task):
        result(_labels(given, out), json, LABELS)
    else:
        given.pop("task")
        figures = (_chat if task == "chat" else _pairs)(given, out)
        result(figures, json, ("steps", "tokens", "seconds", "loss", "validation_loss"))


def _chat(given: dict[str, Any], out: Path) -> dict[str, Any]:
    from fragua.training.finetune import FinetuneSettings, finetune

    _check(given, FinetuneSettings.model_fields, "chat")
    return finetune(FinetuneSettings.parse(given, "finetune"), out)


def _pairs(given: dict[str, Any], out: Path) -> dict[str, Any]:
    from fragua.training.finetune_pairs import PairsSettings, finetune_pairs

    _check(given, PairsSettings.model_fields, "seq2seq")
    return finetune_pairs(PairsSettings.parse(given, "finetune"), out)


def _labels(given: dict[str, Any], out: Path) -> dict[str, Any]:
    from fragua.learning.transfer import TransferSettings, transfer

    _check(given, TransferSettings.model_fields, given["task"])
    if columns := given.get("columns"):
        pairs = [part.partition("=") for part in columns.split(",")]
        given["columns"] = {name.strip(): column.strip() for name, _, column in pairs}
    return transfer(TransferSettings.parse(given, "finetune"), out)


def _check(given: Collection[str], known: Collection[str], task: str) -> None:
    for key in given:
        if key not in known:
            raise InputError(f"is not for --task {task}", f"--{key.replace('_', '-')}", "leave it out")
