"""`fragua pretrain`: a base model from a corpus and a tokenizer."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fragua.cli.output import result


def pretrain(
    corpus: Annotated[Path, typer.Argument(help="Corpus directory (train.jsonl, validation.jsonl).")],
    out: Annotated[Path, typer.Option(help="Model directory to make; an unfinished one is gone on with.")],
    tokenizer: Annotated[
        Path | None, typer.Option(help="Tokenizer directory; not wanted with --model.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A model directory that goes on reading, instead of a new one.")
    ] = None,
    family: Annotated[str, typer.Option(help="qwen3, llama, gpt2, bert, roberta, t5 or xlnet.")] = "qwen3",
    t5_learns: Annotated[str, typer.Option(help="T5: spans (hidden ones are written) or prefix.")] = "spans",
    pairs: Annotated[
        bool, typer.Option("--pairs", help='The corpus is of pairs: {"source", "target", "prefix"?}.')
    ] = False,
    label_smoothing: Annotated[float, typer.Option(help="Of pairs: share spread over all tokens.")] = 0.0,
    whole_words: Annotated[
        bool, typer.Option("--whole-words", help="Masks hide whole words (bert, roberta).")
    ] = False,
    depth: Annotated[int, typer.Option(help="Layers; the width is 64 times that, 128 at least.")] = 4,
    width: Annotated[int | None, typer.Option(help="Width, if not from the depth.")] = None,
    heads: Annotated[int | None, typer.Option(help="Attention heads, if not from the width.")] = None,
    context: Annotated[int, typer.Option(help="Tokens a row.")] = 256,
    steps: Annotated[int, typer.Option(help="Optimiser steps.")] = 400,
    batch_tokens: Annotated[int, typer.Option(help="Tokens a step.")] = 8192,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak learning rate; derived if not given.")
    ] = None,
    weight_decay: Annotated[float, typer.Option(help="Of the matrices inside the blocks.")] = 0.1,
    dropout: Annotated[float, typer.Option(help="Share of each block's additions that is dropped.")] = 0.0,
    keep_best: Annotated[
        bool, typer.Option("--keep-best", help="End with the weights of the lowest validation loss.")
    ] = False,
    optimizer: Annotated[str, typer.Option(help="muon or adamw.")] = "muon",
    copying_steps: Annotated[
        int | None, typer.Option(help="First steps with copying lessons; derived if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and order.")] = 0,
    precision: Annotated[str, typer.Option(help="auto (measured), float32 or bfloat16.")] = "auto",
    compile: Annotated[str, typer.Option(help="auto, on or off.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Train a base model from scratch, or further.

    The same command on an unfinished --out goes on with it."""
    values: dict[str, Any] = {key: value for key, value in locals().items() if key not in ("out", "json")}
    from fragua.training.pretrain import PretrainSettings
    from fragua.training.pretrain import pretrain as train

    figures = train(PretrainSettings.parse(values, "pretrain"), out)
    result(
        figures, json, ("steps", "tokens", "seconds", "loss", "validation_loss", "validation_bits_per_byte")
    )
