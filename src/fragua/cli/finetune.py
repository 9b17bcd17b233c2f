"""`fragua finetune`: an assistant from a base model and conversations, or a model that answers as pairs of texts do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fragua.cli.output import result
from fragua.errors import InputError

TASKS, ONLY_PAIRS = ("chat", "seq2seq"), ("dev", "label_smoothing")


def finetune(
    model: Annotated[Path, typer.Argument(help="Model directory to start from.")],
    data: Annotated[
        Path,
        typer.Option(
            help="chat: OpenAI messages, Alpaca or ShareGPT; JSON or JSONL. "
            'seq2seq: JSONL of {"source", "target", "prefix"?}.'
        ),
    ],
    out: Annotated[Path, typer.Option(help="Model directory to make; an unfinished one is gone on with.")],
    task: Annotated[
        str, typer.Option(help="chat, or seq2seq (a source is read, its target written).")
    ] = "chat",
    dev: Annotated[
        Path | None, typer.Option(help="seq2seq: held-out pairs; else a fiftieth of the data.")
    ] = None,
    label_smoothing: Annotated[
        float, typer.Option(help="seq2seq: share of what is wanted, spread over all tokens.")
    ] = 0.0,
    epochs: Annotated[float, typer.Option(help="Times through the data.")] = 3.0,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps, instead of epochs.")] = None,
    batch_tokens: Annotated[int, typer.Option(help="Tokens a step.")] = 8192,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak learning rate; derived if not given.")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="muon or adamw; muon if not given, adamw for LoRA.")
    ] = None,
    lora_rank: Annotated[
        int | None, typer.Option(help="Learn changes of this rank beside frozen weights (LoRA).")
    ] = None,
    lora_alpha: Annotated[
        float | None, typer.Option(help="LoRA's changes count alpha / rank; twice the rank if not given.")
    ] = None,
    lora_dropout: Annotated[
        float, typer.Option(help="Share of inputs that LoRA's changes do not see.")
    ] = 0.0,
    frozen: Annotated[
        str, typer.Option(help="LoRA's frozen weights: float32, int8, or auto (int8 where memory is short).")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the order.")] = 0,
    precision: Annotated[str, typer.Option(help="auto (measured), float32 or bfloat16.")] = "auto",
    compile: Annotated[str, typer.Option(help="auto, on or off.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Make an assistant of a base model, or teach it pairs. The same command on an unfinished --out goes on with it."""
    values: dict[str, Any] = {
        key: value for key, value in locals().items() if key not in ("task", "out", "json", *ONLY_PAIRS)
    }
    pairs = {"dev": dev, "label_smoothing": label_smoothing}
    if task not in TASKS:
        raise InputError(f"'{task}' is not a task", "--task", f"known: {', '.join(TASKS)}")
    if task == "seq2seq":
        from fragua.training.finetune_pairs import PairsSettings, finetune_pairs

        figures = finetune_pairs(PairsSettings.parse(values | pairs, "finetune"), out)
    else:
        from fragua.training.finetune import FinetuneSettings
        from fragua.training.finetune import finetune as train

        if given := [name for name in ONLY_PAIRS if pairs[name]]:
            raise InputError("is for pairs", f"--{given[0].replace('_', '-')}", "with --task seq2seq")
        figures = train(FinetuneSettings.parse(values, "finetune"), out)
    result(figures, json, ("steps", "tokens", "seconds", "loss", "validation_loss"))
