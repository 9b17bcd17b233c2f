"""Training reward models from comparisons, choices or ratings, through the one trainer; and what they are worth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from fragua.alignment import losses
from fragua.alignment.align import split
from fragua.alignment.examples import Choice, Example, Messages, Rated, pairs
from fragua.alignment.gentle import gentle
from fragua.alignment.reading import read_feedback
from fragua.alignment.reward import (
    FEATURES,
    HEADS,
    RewardModel,
    Text,
    cuts,
    features,
    fitted,
    raw_rewards,
    read,
    save_head,
    with_head,
)
from fragua.corpus.aldea.exam import wilson
from fragua.errors import InputError
from fragua.files import atomic_write, digest_file, write_json
from fragua.models.calls import Model
from fragua.models.io import load
from fragua.settings import Settings
from fragua.tokens.loader import permutation
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.directory import announce, claim, finish, finished_figures, parent, weights_digest
from fragua.training.machine import device
from fragua.training.objectives import LossSum
from fragua.training.trainer import OnRow, Trainer, Training

BINS = 5
NEWTON = 10
HEAD_RATE = 10.0
"""How much faster what is new learns than the rest."""


class RewardSettings(Settings):
    """What `fragua align reward` can be told; None is derived and printed."""

    model: Path
    data: Path
    learn: Literal["pairs", "best", "ratings"] = "pairs"
    """Bradley-Terry with margins and ties, the best of several, or ordinal regression."""
    members: int = Field(default=1, ge=1, le=32)
    """Of an ensemble: other heads at the start, and another order."""
    correct_length: bool = False
    context: int | None = Field(default=None, gt=0)
    """Tokens that are read at most: what a long conversation begins with is left out; None: as the model takes."""
    epochs: float = Field(default=1.0, gt=0)
    batch: int = Field(default=32, gt=0)
    learning_rate: float | None = Field(default=None, gt=0)
    seed: int = 0
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    checkpoint_every_s: float = Field(default=30.0, ge=0)

    def training(self, model: Model, steps: int, row_tokens: int) -> Training:
        peak = 3e-5 if model.config.visible == "full" else 3e-4 * (256 / model.config.width) ** 0.5
        return gentle(self, peak, steps, row_tokens, evaluate_every=max(1, steps // 5))


class Judged(NamedTuple):
    """Answers to one prompt. Of several the first is the best, unless it is a `tie`; one alone has a `rating`."""

    prompt: Messages
    answers: tuple[Text, ...]
    margin: float = 0.0
    tie: bool = False
    rating: int = 0


class Judging:
    """Counts judgements where other objectives count tokens."""

    def __init__(self, train: Sequence[Judged], held_out: Sequence[Judged], seed: int):
        self.train, self.held_out, self.seed, self.drawn = train, held_out, seed, 0
        self.ties = any(row.tie for row in train)
        tokens = sum(len(text.ids) for row in train for text in row.answers)
        self.context = max(1, round(tokens / len(train)))

    def batch(self, rows: int) -> list[Judged]:
        first, self.drawn = self.drawn, self.drawn + rows
        places = (divmod(number, len(self.train)) for number in range(first, self.drawn))
        return [self.train[permutation(len(self.train), self.seed, epoch)[place]] for epoch, place in places]

    def tokens(self, batch: Sequence[Judged]) -> int:
        return len(batch)

    def loss(self, model: Model, batch: Sequence[Judged]) -> LossSum:
        return judging_loss(model, batch, self.ties)

    def validation(self, rows: int) -> Iterator[list[Judged]]:
        for start in range(0, len(self.held_out), rows):
            yield list(self.held_out[start : start + rows])

    def state(self) -> dict[str, Any]:
        return {"drawn": self.drawn}

    def restore(self, state: dict[str, Any]) -> None:
        self.drawn = state["drawn"]


def judging_loss(model: Model, batch: Sequence[Judged], ties: bool = False) -> LossSum:
    """Summed over judgements; ratings where the answers stand alone. `ties`: they are a third outcome."""
    rewards_A = raw_rewards(model, [text for row in batch for text in row.answers])
    if batch[0].rating:
        ratings_N = torch.tensor([row.rating for row in batch], device=rewards_A.device)
        return LossSum(losses.ordinal(rewards_A, ratings_N, cuts(model)).sum(), len(batch))
    each = rewards_A.split([len(row.answers) for row in batch])
    rewards_NK = torch.nn.utils.rnn.pad_sequence(list(each), batch_first=True, padding_value=-math.inf)
    margin_N, tie_N = (
        torch.tensor([getattr(row, name) for row in batch], device=rewards_A.device)
        for name in ("margin", "tie")
    )
    if rewards_NK.shape[1] > 2:
        loss_N = losses.best_of(rewards_NK, torch.zeros(len(batch), dtype=torch.long, device=margin_N.device))
    else:
        better_N, worse_N = rewards_NK.unbind(1)
        loss_N = losses.bradley_terry(better_N, worse_N, margin_N, tie_N if ties else None)
    right_N: Tensor = rewards_NK.argmax(1) == 0
    return LossSum(loss_N.sum(), len(batch), {"accuracy": float((right_N & ~tie_N).sum())})


def judgements(
    examples: Sequence[Example], tokenizer: Tokenizer, model: Model, learn: str, context: int | None = None
) -> tuple[list[Judged], int]:
    """What can be learned from in that way, and how many of them do not fit the context."""
    told: list[tuple[Messages, tuple[str, ...], dict[str, Any]]] = []
    if learn == "pairs":
        found = pairs(examples, ties=True)
        told = [(p.prompt, (p.chosen, p.rejected), {"margin": p.margin, "tie": p.tie}) for p in found]
    for row in examples:
        if learn == "best" and isinstance(row, Choice):
            others = [text for number, text in enumerate(row.answers) if number != row.best]
            told.append((row.prompt, (row.answers[row.best], *others), {}))
        elif learn == "ratings" and isinstance(row, Rated):
            told.append((row.prompt, (row.answer,), {"rating": row.rating}))
    rows = []
    for prompt, answers, fields in told:
        texts = [text for answer in answers if (text := read(tokenizer, model, prompt, answer, context))]
        if len(texts) == len(answers):
            rows.append(Judged(prompt, tuple(texts), **fields))
    return rows, len(told) - len(rows)


@torch.no_grad()
def first_guess(model: Model, rows: Sequence[Judged]) -> Tensor:
    """The weights of the features, float32 [F], that alone explain these choices best: Bradley and Terry's model of
    their differences by Newton's steps, with a unit of ridge. Of ratings and ties nothing is guessed."""
    rows = [row for row in rows if not row.tie and len(row.answers) > 1]
    weight_F = torch.zeros_like(model.get_parameter(FEATURES))
    if not rows or not len(weight_F):
        return weight_F
    told_NF = features(model, [text for row in rows for text in row.answers]).double()
    x_NF = torch.cat(
        [one_KF[:1] - one_KF[1:] for one_KF in told_NF.split([len(row.answers) for row in rows])]
    )
    weight_F = weight_F.double()
    ridge_FF = torch.eye(x_NF.shape[1], dtype=x_NF.dtype, device=x_NF.device)
    for _ in range(NEWTON):
        wrong_N = torch.sigmoid(-x_NF @ weight_F)
        slope_F = x_NF.T @ wrong_N - weight_F
        curve_FF = (x_NF * (wrong_N * (1 - wrong_N))[:, None]).T @ x_NF + ridge_FF
        weight_F += torch.linalg.solve(curve_FF, slope_F)
    return weight_F.float()


def train_reward(settings: RewardSettings, out: str | Path, on_step: OnRow | None = None) -> dict[str, Any]:
    """Trains each member under `out/member-N`; resumes as `pretrain` does. Returns `report` of the held-out part.

    Raises InputError for data of which nothing can be learned in this way."""
    out = Path(out)
    examples, tokenizer = read_feedback(settings.data), Tokenizer.load(settings.model)
    rated = [row for row in examples if isinstance(row, Rated)]
    levels = max((row.levels for row in rated), default=0) if settings.learn == "ratings" else 0
    data = {"feedback": digest_file(settings.data), "model": weights_digest(settings.model)}
    train: list[Judged] = []
    held_out: list[Judged] = []
    members, dropped, steps = [], 0, 0
    guess_F: Tensor | None = None
    for number in range(settings.members):
        folder = out / f"member-{number}"
        seed = settings.seed + number
        claim(folder, "reward", settings.model_dump(mode="json", exclude={"model", "data", "members"}), data)
        model = with_head(load(settings.model).to(device()), seed, levels)
        if number == 0:  # all members learn from the same rows
            rows, dropped = judgements(examples, tokenizer, model, settings.learn, settings.context)
            train, held_out = split(rows)
            if not train:
                what = f"nothing to learn from as {settings.learn}"
                raise InputError(what, settings.data, "two prompts at least are needed")
        steps = max(1, math.ceil(settings.epochs * len(train) / settings.batch))
        if not finished_figures(folder):
            guess_F = first_guess(model, train) if guess_F is None else guess_F
            model.get_parameter(FEATURES).data.copy_(guess_F)
            objective = Judging(train, held_out, seed)
            training = settings.training(model, steps, objective.context)
            announce(f"reward {number}", model.config, training)
            trainer = Trainer(
                model, objective, training, folder, label="reward", context=objective.context, on_step=on_step,
                rates={name: HEAD_RATE for name, _ in model.named_parameters() if name in HEADS},
            )  # fmt: skip
            figures = trainer.run()
            model.eval()
            texts = [text for row in train for text in row.answers]
            with torch.no_grad():
                raw_N = raw_rewards(model, texts).cpu().double().numpy()
            scale = fitted(raw_N, [text.words for text in texts], settings.correct_length, levels)
            save_head(model, scale.model_copy(update={"context": settings.context}), folder)
            lineage = {"parents": [parent(settings.model)], "feedback": settings.data.name}
            finish(folder, model, tokenizer, "reward", figures, lineage, sorted(tokenizer.stop_ids))
        members.append(folder)
    figures = {"members": len(members), "steps": steps, "judgements": len(held_out), "dropped": dropped}
    if settings.learn != "ratings":
        figures |= report(RewardModel.load(out), held_out)
        _draw(figures.get("calibration", []), out / "calibration.png")
    write_json(out / "report.json", figures)
    return figures


def _draw(rows: Sequence[dict[str, float]], path: Path) -> None:
    """How often it is right by how confident it is; on the diagonal it knows what it knows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), dpi=150, layout="constrained")
    axes = figure.add_subplot(xlabel="confidence", ylabel="right", xlim=(0.5, 1), ylim=(0, 1))
    axes.plot([0.5, 1], [0.5, 1], color="#64748b", linewidth=1)
    axes.plot([row["confidence"] for row in rows], [row["right"] for row in rows], "o-", color="#c2410c")
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png")


def report(judge: RewardModel, rows: Sequence[Judged]) -> dict[str, Any]:
    """On comparisons that it has not seen: `accuracy` of the ensemble's mean, `shorter` (that of always taking the
    shorter answer), how the reward hangs on length, and whether its confidence is kept (`calibration`)."""
    duels = [(row.answers[0], other) for row in rows if not row.tie for other in row.answers[1:]]
    if not duels:
        return {}
    texts = [text for duel in duels for text in duel]
    raws_MN = []
    with torch.no_grad():
        for model, _ in judge.members:
            raws_MN.append(raw_rewards(model, texts).cpu().double().numpy())
    words_N = np.array([text.words for text in texts])
    scaled_N = np.mean(
        [
            scale.gain * (raw - scale.slope * np.log(words_N)) + scale.bias
            for raw, (_, scale) in zip(raws_MN, judge.members, strict=True)
        ],
        axis=0,
    )
    margin_N = scaled_N[::2] - scaled_N[1::2]
    shorter_N = np.sign(words_N[1::2] - words_N[::2])
    confidence_N = 1 / (1 + np.exp(-np.abs(np.mean(raws_MN, axis=0)[::2] - np.mean(raws_MN, axis=0)[1::2])))
    return {
        "accuracy": _share(margin_N > 0),
        "shorter": float((shorter_N > 0).mean() + (shorter_N == 0).mean() / 2),
        "accuracy_where_shorter_is_better": _share(margin_N[shorter_N > 0] > 0),
        "accuracy_where_longer_is_better": _share(margin_N[shorter_N < 0] > 0),
        "correlation_with_log_words": float(np.corrcoef(scaled_N, np.log(words_N))[0, 1])
        if scaled_N.std() * words_N.std() > 0
        else 0.0,
        "calibration": calibration(confidence_N, margin_N > 0),
    }


def calibration(confidence_N: np.ndarray, right_N: np.ndarray, bins: int = BINS) -> list[dict[str, float]]:
    """By confidence from 0.5 to 1: how confident it is, how often it is right, and how many such there are."""
    places_N = np.clip(((confidence_N - 0.5) * 2 * bins).astype(int), 0, bins - 1)
    return [
        {
            "confidence": float(confidence_N[places_N == place].mean()),
            "right": float(right_N[places_N == place].mean()),
            "n": int((places_N == place).sum()),
        }
        for place in range(bins)
        if (places_N == place).any()
    ]


def _share(right_N: np.ndarray) -> dict[str, Any]:
    low, high = wilson(int(right_N.sum()), len(right_N))
    return {
        "value": float(right_N.mean()) if len(right_N) else 0.0,
        "low": low,
        "high": high,
        "n": len(right_N),
    }
