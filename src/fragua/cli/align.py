"""`fragua align`: from people's comparisons to a model that they prefer."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fragua.cli.collect import agreement, collect, convert
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
app.command()(convert)


@app.command()
def train(
    model: Annotated[Path, typer.Argument(help="Model directory to start from, and to stay near to.")],
    out: Annotated[Path, typer.Option(help="Model directory to make; an unfinished one is gone on with.")],
    method: Annotated[
        str,
        typer.Option(
            help="From comparisons: dpo, ipo, kto, chosen (fine-tuning on the preferred answers). "
            "From rewards: ppo, grpo, rloo, rejection (fine-tuning on the best of several answers)."
        ),
    ] = "dpo",
    data: Annotated[Path | None, typer.Option(help="Comparisons: an event log, JSONL.")] = None,
    beta: Annotated[
        float | None, typer.Option(help="Comparisons: how dear it is to leave the model as it was; 0.1.")
    ] = None,
    smoothing: Annotated[float | None, typer.Option(help="dpo: share of labels thought to be wrong.")] = None,
    normalise: Annotated[
        bool | None, typer.Option("--normalise/--whole", help="dpo, ipo: compare tokens, or whole answers.")
    ] = None,
    likelihood: Annotated[
        float | None, typer.Option(help="dpo, ipo: weight of the chosen answers' likelihood.")
    ] = None,
    desirable: Annotated[float | None, typer.Option(help="kto: weight of good answers; 1.")] = None,
    undesirable: Annotated[float | None, typer.Option(help="kto: weight of bad answers; 1.")] = None,
    replay: Annotated[
        Path | None,
        typer.Option(help="Conversations to learn again beside it, so that the model keeps what it can do."),
    ] = None,
    replay_weight: Annotated[
        float | None, typer.Option(help="Of their mean loss; 0.3, with rewards 0.15.")
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Times through the data, or through a round; 1.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Comparisons: optimiser steps, instead of epochs.")
    ] = None,
    reward: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME[=WITH][*WEIGHT][@LOW:HIGH], may be repeated: model=DIR, label=DIR:NAME, gold, correct, "
            "arithmetic, format=EXPRESSION."
        ),
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="Rewards: what is asked, .txt or .jsonl; or questions of an exam.")
    ] = None,
    world: Annotated[
        int | None, typer.Option(help="Rewards: instead, the seed of the world that is asked about.")
    ] = None,
    ability: Annotated[
        list[str] | None, typer.Option(help="Of that world: what is asked, may be repeated; or multistep.")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(help="Rewards: draw, judge and learn so many times; 30.")
    ] = None,
    rollouts: Annotated[int | None, typer.Option(help="Answers a round; 128.")] = None,
    group: Annotated[int | None, typer.Option(help="Answers to a prompt; 8, ppo: 1.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of these answers; 1.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens of such an answer at most; 160.")] = None,
    unfinished: Annotated[
        float | None, typer.Option(help="Rewards: taken from an answer that comes to no end; 1.")
    ] = None,
    kl: Annotated[
        float | None, typer.Option(help="Rewards: how dear a nat is that leads away from the model; 0.05.")
    ] = None,
    kl_target: Annotated[
        float | None, typer.Option(help="Nats an answer to be kept by making them dearer or cheaper.")
    ] = None,
    clip_low: Annotated[float | None, typer.Option(help="How far a token may become rarer; 0.2.")] = None,
    clip_high: Annotated[
        float | None, typer.Option(help="How far a token may become likelier; 0.28, ppo: 0.2.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Pairs, verdicts or answers a step; 32.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak learning rate; derived if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the order, and of what is drawn.")] = 0,
    precision: Annotated[str, typer.Option(help="auto (measured), float32 or bfloat16.")] = "float32",
    reference: Annotated[
        Path | None, typer.Option(help="Comparisons: folder to keep the model's log-probabilities in.")
    ] = None,
    json: JSON = False,
) -> None:
    """Make a model that people prefer. The same command on an unfinished --out goes on with it."""
    given = {key: value for key, value in locals().items() if key not in ("out", "json")}
    values: dict[str, Any] = {key: value for key, value in given.items() if value not in (None, [])}
    figures: dict[str, Any]
    if method in ("ppo", "grpo", "rloo"):
        from fragua.alignment.optimise import OptimiseSettings, optimise

        figures = optimise(OptimiseSettings.parse(values, "align"), out)
    elif method == "rejection":
        from fragua.alignment.best import RejectionSettings, reject

        del values["method"]
        figures = reject(RejectionSettings.parse(values, "align"), out)
    else:
        from fragua.alignment.align import AlignSettings, align

        figures = align(AlignSettings.parse(values, "align"), out)
    shown = ("steps", "seconds", "loss", "validation_loss", "validation_accuracy", "pairs", "verdicts")
    earned = ("validation_score", "validation_kl", "score", "kl", "zero_variance")
    result(figures, json, (*shown, *earned))


@app.command()
def loop(
    model: Annotated[Path, typer.Argument(help="Model directory to start from.")],
    out: Annotated[Path, typer.Option(help="Folder to make; an unfinished one is gone on with.")],
    labeller: Annotated[
        str, typer.Option(help="gold; people, who judge with collect; or MODULE:FUNCTION(prompt, answers).")
    ] = "gold",
    times: Annotated[
        int, typer.Option(help="Collect, learn to judge, optimise, measure: so many times.")
    ] = 2,
    comparisons: Annotated[int, typer.Option(help="Each time.")] = 500,
    candidates: Annotated[int, typer.Option(help="Answers in a comparison, where code judges.")] = 4,
    members: Annotated[int, typer.Option(help="Of the reward model.")] = 1,
    items: Annotated[int, typer.Option(help="Questions to measure each policy on.")] = 200,
    method: Annotated[str, typer.Option(help="ppo, grpo or rloo.")] = "ppo",
    prompts: Annotated[Path | None, typer.Option(help="What is asked; or --world.")] = None,
    world: Annotated[int | None, typer.Option(help="Seed of the world that is asked about.")] = None,
    reward: Annotated[
        list[str] | None, typer.Option(help="Beside the judge, as in `fragua align`; may be repeated.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Of drawing and learning, each time; 30.")] = None,
    rollouts: Annotated[int | None, typer.Option(help="Answers a round; 128.")] = None,
    kl: Annotated[float | None, typer.Option(help="How dear a nat is that leads away; 0.05.")] = None,
    kl_target: Annotated[float | None, typer.Option(help="Nats an answer to be kept.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens of an answer at most; 160.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of the policy; derived if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    json: JSON = False,
) -> None:
    """Collect comparisons, learn a reward from them, optimise, measure, and collect again with the new model."""
    given = {key: value for key, value in locals().items() if key not in ("out", "json")}
    values: dict[str, Any] = {key: value for key, value in given.items() if value not in (None, [])}
    from fragua.alignment.loop import LoopSettings
    from fragua.alignment.loop import loop as go_round
    from fragua.files import flat

    figures = go_round(LoopSettings.parse(values, "align loop"), out)
    shown = {f"round {number}": row for number, row in enumerate(figures["rounds"], 1)}
    result(figures if json else flat(shown), json, tuple(flat(shown)))


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
    from fragua.alignment.gold import write_gold
    from fragua.corpus.aldea.world import build_world

    written = write_gold(fragua.load(str(model)), build_world(world), count, seed, out)
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


@app.command()
def reward(
    model: Annotated[Path, typer.Argument(help="Decoder or encoder to start from.")],
    data: Annotated[Path, typer.Option(help="Feedback: an event log, JSONL.")],
    out: Annotated[Path, typer.Option(help="Directory to make; an unfinished one is gone on with.")],
    learn: Annotated[str, typer.Option(help="pairs, best (of several) or ratings.")] = "pairs",
    members: Annotated[int, typer.Option(help="Models of the ensemble.")] = 1,
    correct_length: Annotated[
        bool, typer.Option("--correct-length", help="Take off what the reward owes to length.")
    ] = False,
    context: Annotated[
        int | None, typer.Option(help="Tokens that are read at most; the rest of a long prompt is left out.")
    ] = None,
    epochs: Annotated[float, typer.Option(help="Times through the data.")] = 1.0,
    batch: Annotated[int, typer.Option(help="Judgements a step.")] = 32,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak learning rate; derived if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the head and of the order.")] = 0,
    precision: Annotated[str, typer.Option(help="auto (measured), float32 or bfloat16.")] = "float32",
    json: JSON = False,
) -> None:
    """Learn to judge answers as people do, and report how well that goes on comparisons that were held out."""
    values: dict[str, Any] = {key: value for key, value in locals().items() if key not in ("out", "json")}
    from fragua.alignment.judging import RewardSettings, train_reward
    from fragua.files import flat

    figures = train_reward(RewardSettings.parse(values, "reward"), out)
    shown = (
        "judgements",
        "accuracy.value",
        "accuracy.low",
        "accuracy.high",
        "shorter",
        "correlation_with_log_words",
    )
    result(figures if json else flat(figures), json, shown)
