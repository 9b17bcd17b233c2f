"""From a model and rewards to a model that is rewarded more: PPO, GRPO and RLOO as objectives of the one trainer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import nn

from fragua.alignment import policy
from fragua.alignment.align import HELD_OUT, split
from fragua.alignment.asking import Asked
from fragua.alignment.gentle import gentle
from fragua.alignment.replay import Replayed
from fragua.alignment.rewards import Judge
from fragua.alignment.rollouts import Question, Record, fitting, read, read_records, write_records
from fragua.alignment.rounds import Batch, Optimising, Round, draw, policy_loss
from fragua.errors import InputError
from fragua.inference.language_model import LanguageModel
from fragua.models import load_model
from fragua.models.calls import Decoder, share
from fragua.progress import console
from fragua.tokens.loader import permutation
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.directory import announce, claim, finish, finished_figures, parent
from fragua.training.machine import device
from fragua.training.objectives import LossSum
from fragua.training.trainer import OnRow, Trainer, Training

ROLLOUTS = "rollouts"
SEEDS = 1 << 20
"""Set aside for each round."""
VALUE_RATE = 10.0
"""How much faster the new head of values learns than the rest."""
SHOWN = 3
MOST_PROMPTS = 20_000
"""Of a world; then they are asked again."""


class OptimiseSettings(Optimising, Asked, Replayed):
    """What `fragua align --method ppo|grpo|rloo` can be told; None is derived and printed."""

    rounds: int = Field(default=30, gt=0)
    rollouts: int = Field(default=128, gt=0)
    """Answers a round."""
    epochs: int = Field(default=1, gt=0)
    """Times through a round. Fresh answers teach more than the same ones again, whose noise is learned with them."""
    batch: int = Field(default=32, gt=0)
    """Answers a step."""
    held_out: int = Field(default=32, gt=0)
    """Prompts at most on which it is measured and nothing is learned; fewer are each answered several times."""
    replay_weight: float = Field(default=0.15, gt=0)
    """Less than beside comparisons: a policy's losses are small, and what is replayed holds on to the old manners."""
    learning_rate: float | None = Field(default=None, gt=0)
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    evaluate_every: int | None = Field(default=None, gt=0)
    """Rounds; None: ten times in all."""
    checkpoint_every_s: float = Field(default=30.0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.rollouts % self.batch or self.rollouts % self.answers:
            raise ValueError(
                f"rollouts: {self.rollouts} are not whole steps of {self.batch} and groups of {self.answers}"
            )
        return self

    @property
    def round_steps(self) -> int:
        return self.epochs * self.rollouts // self.batch

    def training(self, width: int, row_tokens: int) -> Training:
        """The trainer's settings: AdamW at a quarter of the rate of `align`, after a short rise the same to the end."""
        steps = self.rounds * self.round_steps
        every = (self.evaluate_every or max(1, self.rounds // 10)) * self.round_steps
        return gentle(
            self,
            0.00005 * (256 / width) ** 0.5,
            steps,
            row_tokens,
            warmup_steps=max(1, steps // 20),
            decay_share=0.2,
            evaluate_every=every,
            evaluate_rows=self.held_out,
            sample_every=every,
        )


class Policy:
    """Counts own tokens. Rounds are drawn when the trainer asks for them, and written down before they are learned."""

    def __init__(
        self,
        model: Decoder,
        reference: Decoder,
        tokenizer: Tokenizer,
        judge: Judge,
        questions: tuple[Sequence[Question], Sequence[Question]],
        settings: OptimiseSettings,
        out: Path,
    ):
        """`questions`: learned from, and held out."""
        self.model, self.reference, self.judge, self.settings, self.out = (
            model,
            reference,
            judge,
            settings,
            out,
        )
        self.lm = LanguageModel(share(model), tokenizer)
        self.train, self.held_out = questions
        self.drawn, self.number, self.beta = 0, -1, settings.kl
        self.round: Round | None = None
        self.shown: Sequence[Record] = ()

    def batch(self, rows: int) -> Batch:
        settings = self.settings
        first, self.drawn = self.drawn, self.drawn + rows
        number, place = divmod(first, settings.epochs * settings.rollouts)
        if number != self.number:
            self._begin(number)
        assert self.round is not None, "it has begun"
        step, offset = divmod(place, settings.batch)
        steps = settings.rollouts // settings.batch
        epoch, piece = divmod(step, steps)
        order = permutation(len(self.round.kept), settings.seed, number * settings.epochs + epoch)
        # what is kept is shared out evenly among the steps, however little it is
        places = [self.round.kept[each] for each in order[piece::steps][offset : offset + rows]]
        return self.round.batch(places, self.model.device)

    def _begin(self, number: int) -> None:
        settings, group = self.settings, self.settings.answers
        if self.round is not None and settings.kl_target is not None:
            self.beta = policy.adapted(self.beta, self.round.figures["kl"], settings.kl_target)
        count = settings.rollouts // group
        asked = [self.train[self._place(each)] for each in range(number * count, (number + 1) * count)]
        records = self._draw(asked, (settings.seed << 32) + (1 + number) * SEEDS, group)
        if settings.method == "ppo" and number == 0:
            records = self._levelled(records)
        write_records(self._path(number), records)
        self._take(number, records)

    def _levelled(self, records: Sequence[Record]) -> list[Record]:
        """Values begin at the mean return: from 0 they would take many rounds to get there, and until then every
        advantage would tell little but how far from the end its token stands."""
        told = Round.of(
            records, self.settings.model_copy(update={"trace": 1.0}), self.beta, self.settings.answers
        )
        level = float(told.batch(range(len(records)), self.model.device).return_N.mean())
        with torch.no_grad():
            self.model.get_parameter("value.bias").fill_(level)
        return [replace(record, values=np.full_like(record.values, level)) for record in records]

    def _take(self, number: int, records: Sequence[Record]) -> None:
        self.number = number
        self.round = Round.of(records, self.settings, self.beta, self.settings.answers)

    def _draw(self, asked: Sequence[Question], seed: int, group: int) -> list[Record]:
        how = self.settings
        models = self.model, self.reference, self.lm
        seed %= 2**62
        return draw(*models, self.judge, asked, how, max_tokens=how.max_tokens, seed=seed, group=group)

    def _place(self, number: int) -> int:
        epoch, place = divmod(number, len(self.train))
        return int(permutation(len(self.train), self.settings.seed, epoch)[place])

    def _path(self, number: int) -> Path:
        return self.out / ROLLOUTS / f"round-{number + 1:05d}.jsonl"

    def tokens(self, batch: Batch) -> int:
        return len(batch.old_N)

    def loss(self, model: Decoder, batch: Batch) -> LossSum:
        """Of a batch without anything to learn from 0, over no tokens."""
        count = self.tokens(batch)
        if not count:
            return LossSum(0.0 * next(model.parameters()).sum(), 0)
        told = read(model, batch.rollouts, self.settings.temperature)
        loss, metrics = policy_loss(told, batch, self.settings)
        sums = {name: float(value_N.sum()) for name, value_N in metrics.items()}
        # the round's own figures are told with each of its steps
        return LossSum(loss, count, sums | {name: count * each for name, each in batch.figures.items()})

    def validation(self, rows: int) -> Iterator[Batch]:
        """The policy as it is now, asked what it never learns from: always with the same seeds."""
        answers = max(1, self.settings.held_out // len(self.held_out))
        self.shown = self._draw(self.held_out, self.settings.seed << 32, answers)
        write_records(self.out / ROLLOUTS / f"held-out-{self.number + 1:05d}.jsonl", self.shown)
        told = Round.of(self.shown, self.settings.model_copy(update={"method": "ppo"}), self.beta, 1)
        for start in range(0, len(self.shown), rows):
            yield told.batch(range(start, min(start + rows, len(self.shown))), self.model.device)

    def samples(self) -> list[dict[str, Any]]:
        """The first answers of the last evaluation."""
        return [
            {
                "lang": record.rollout.question.item.lang if record.rollout.question.item else "any",
                "prompt": str(record.rollout.question.prompt[-1]["content"]),
                "text": record.rollout.text,
                "score": record.score,
            }
            for record in self.shown[:SHOWN]
        ]

    def state(self) -> dict[str, Any]:
        return {"drawn": self.drawn, "number": self.number, "beta": self.beta}

    def restore(self, state: dict[str, Any]) -> None:
        """The round in hand is read again, not drawn again."""
        self.drawn, self.beta = state["drawn"], state["beta"]
        if state["number"] >= 0:
            self._take(state["number"], list(read_records(self._path(state["number"]))))


def with_values(model: Decoder) -> Decoder:
    """Gives the model a head that tells the reward to come: `value`, zero at the start."""
    model.value = nn.Linear(model.config.width, 1)
    nn.init.zeros_(model.value.weight)
    nn.init.zeros_(model.value.bias)
    return model.to(model.device)


def questions_of(settings: OptimiseSettings, lm: LanguageModel) -> tuple[list[Question], list[Question]]:
    """Learned from and held out, by prompt; those that fill the context are left out, and told.

    Raises InputError where there are fewer than two prompts."""
    wanted = min(settings.rounds * settings.rollouts // settings.answers, MOST_PROMPTS)
    found = settings.questions(wanted + HELD_OUT * settings.held_out)
    fit = fitting(lm, found)
    if len(fit) < len(found):
        console.print(f"{len(found) - len(fit)} prompts that fill the context left out", style="yellow")
    train, held_out = split(fit)
    if not held_out:
        raise InputError("two prompts or more are needed", settings.prompts, "one is held out to measure on")
    return train, held_out[: settings.held_out]


def optimise(settings: OptimiseSettings, out: str | Path, on_step: OnRow | None = None) -> dict[str, Any]:
    """Trains on what its own answers earn; resumes as `pretrain` does, in the middle of a round too.

    Returns the trainer's figures. Raises InputError for rewards or prompts that do not go together, and what `pretrain`
    raises."""
    out = Path(out)
    own, data = settings.claimed()
    claim(out, "assistant", own, data | settings.replay_digest)
    if figures := finished_figures(out):
        return figures
    tokenizer, judge = Tokenizer.load(settings.model), Judge(settings.parts)
    model, reference = (load_model(settings.model).to(device()) for _ in range(2))
    questions = questions_of(settings, LanguageModel(reference, tokenizer))
    if settings.method == "ppo":
        model = with_values(model)
    objective = Policy(
        model, reference.eval().requires_grad_(False), tokenizer, judge, questions, settings, out
    )
    row_tokens = min(model.config.context, 2 * settings.max_tokens)
    training = settings.training(model.config.width, row_tokens)
    announce(settings.method, model.config, training)
    rates = {name: VALUE_RATE for name, _ in model.named_parameters() if name.startswith("value.")}
    trainer = Trainer(
        model,
        settings.beside(objective, tokenizer, model.config.context, settings.seed, out),
        training,
        out,
        label=settings.method,
        context=row_tokens,
        rates=rates,
        sample=objective.samples,
        on_step=on_step,
    )
    figures = trainer.run() | {"prompts": len(questions[0])}
    parents = [parent(folder) for folder in (settings.model, *settings.judges)]
    lineage = {"parents": parents, "rewards": list(settings.reward)}
    ends = [end for end in (tokenizer.turn_end_id, tokenizer.end_id) if end is not None]
    return finish(out, model, tokenizer, "assistant", figures, lineage, ends)
