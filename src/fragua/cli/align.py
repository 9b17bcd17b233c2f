"""`fragua align`: from people's comparisons to a model that they prefer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fragua.cli.collect import agreement, collect
from fragua.cli.output import result
from fragua.errors import InputError

JSON = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


class _TrainFirst(TyperGroup):
    """`fragua align MODEL …` is `fragua align train MODEL …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["train", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_TrainFirst,
    help="Learn from comparisons: fragua align MODEL --method dpo --data FILE --out DIR.",
    no_args_is_help=True,
)

app.command()(collect)
app.command()(agreement)


@app.command()
def train(
    model: Annotated[Path, typer.Argument(help="Model directory to start from, and to stay near to.")],
    data: Annotated[Path, typer.Option(help="Feedback: an event log, JSONL.")],
    out: Annotated[Path, typer.Option(help="Model directory to make; an unfinished one is gone on with.")],
    method: Annotated[
        str, typer.Option(help="dpo, ipo, kto, or chosen (fine-tuning on the preferred answers).")
    ] = "dpo",
    beta: Annotated[float, typer.Option(help="How dear it is to leave the model as it was.")] = 0.1,
    smoothing: Annotated[float, typer.Option(help="dpo: share of labels thought to be wrong.")] = 0.0,
    normalise: Annotated[
        bool | None, typer.Option("--normalise/--whole", help="dpo, ipo: compare tokens, or whole answers.")
    ] = None,
    likelihood: Annotated[
        float, typer.Option(help="dpo, ipo: weight of the chosen answers' likelihood.")
    ] = 0.0,
    desirable: Annotated[float, typer.Option(help="kto: weight of good answers.")] = 1.0,
    undesirable: Annotated[float, typer.Option(help="kto: weight of bad answers.")] = 1.0,
    epochs: Annotated[float, typer.Option(help="Times through the data.")] = 1.0,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps, instead of epochs.")] = None,
    batch: Annotated[int, typer.Option(help="Pairs, or verdicts, a step.")] = 32,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak learning rate; derived if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the order.")] = 0,
    precision: Annotated[str, typer.Option(help="auto (measured), float32 or bfloat16.")] = "float32",
    reference: Annotated[
        Path | None, typer.Option(help="Folder to keep the first model's log-probabilities in.")
    ] = None,
    json: JSON = False,
) -> None:
    """Make a model that people prefer. The same command on an unfinished --out goes on with it."""
    values: dict[str, Any] = {key: value for key, value in locals().items() if key not in ("out", "json")}
    from fragua.alignment.align import AlignSettings, align

    figures = align(AlignSettings.parse(values, "align"), out)
    result(
        figures,
        json,
        ("steps", "seconds", "loss", "validation_loss", "validation_accuracy", "pairs", "verdicts"),
    )


@app.command()
def gold(
    model: Annotated[Path, typer.Argument(help="Model directory whose answers are compared.")],
    out: Annotated[Path, typer.Option(help="Event log to make, JSONL.")],
    world: Annotated[int, typer.Option(help="Seed of the world that the model has read about.")] = 0,
    count: Annotated[int, typer.Option(help="How many comparisons.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of questions, answers and the labeller's noise.")] = 0,
    json: JSON = False,
) -> None:
    """Compare a model's answers by code: Aldea's gold labeller, where people are not at hand."""
    if count < 1:
        raise InputError(f"{count} comparisons teach nothing", "--count", "1 or more")
    import fragua
    from fragua.alignment.gold import gold_comparisons
    from fragua.corpus.aldea.world import build_world
    from fragua.files import write_jsonl
    from fragua.training.directory import weights_digest

    lm = fragua.load(str(model))
    events = gold_comparisons(lm, weights_digest(model), build_world(world), count, seed)
    written = write_jsonl(out, (event.model_dump(mode="json", exclude_none=True) for event in events))
    result({"comparisons": written, "out": str(out)}, json, ("comparisons",))


@app.command()
def audit(
    model: Annotated[Path, typer.Argument(help="The aligned model.")],
    before: Annotated[Path, typer.Option(help="The model as it was.")],
    world: Annotated[int, typer.Option(help="Seed of the world that both have read about.")] = 0,
    items: Annotated[int, typer.Option(help="How many held-out questions.")] = 300,
    seed: Annotated[int, typer.Option(help="Of questions and answers.")] = 1,
    json: JSON = False,
) -> None:
    """Ask two models the same held-out questions: how often is the new answer better, by gold?"""
    if items < 1:
        raise InputError(f"{items} questions show nothing", "--items", "1 or more")
    import fragua
    from fragua.alignment.audit import audit as ask
    from fragua.alignment.audit import held_out_items
    from fragua.corpus.aldea.world import build_world
    from fragua.files import flat

    new, old = (fragua.load(str(path)) for path in (model, before))
    figures = ask(new, old, held_out_items(build_world(world), seed, items), seed=seed)
    shown = figures if json else flat(figures)
    result(shown, json, tuple(shown))
