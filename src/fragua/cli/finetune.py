"""`fragua finetune`: an assistant from a base model and conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fragua.cli.output import result


def finetune(
    model: Annotated[Path, typer.Argument(help="Model directory to start from.")],
    data: Annotated[
        Path, typer.Option(help="Conversations: OpenAI messages, Alpaca or ShareGPT; JSON or JSONL.")
    ],
    out: Annotated[Path, typer.Option(help="Model directory to make; an unfinished one is gone on with.")],
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
    """Make an assistant of a base model. The same command on an unfinished --out goes on with it."""
    values: dict[str, Any] = {key: value for key, value in locals().items() if key not in ("out", "json")}
    from fragua.training.finetune import FinetuneSettings
    from fragua.training.finetune import finetune as train

    figures = train(FinetuneSettings.parse(values, "finetune"), out)
    result(figures, json, ("steps", "tokens", "seconds", "loss", "validation_loss"))
