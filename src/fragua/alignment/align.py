"""From a model and comparisons to a model that people prefer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from pydantic import Field

from fragua.alignment.answers import Answer, encode, reference
from fragua.alignment.examples import Example, Messages, pairs, unpaired
from fragua.alignment.gentle import gentle
from fragua.alignment.preference import Compared, How, Preference
from fragua.alignment.reading import read_feedback
from fragua.alignment.replay import Replayed
from fragua.errors import InputError
from fragua.files import digest_file, digest_json
from fragua.models import load_model
from fragua.models.calls import Decoder
from fragua.progress import console
from fragua.tokens.loader import permutation
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.directory import announce, claim, finish, finished_figures, parent, weights_digest
from fragua.training.machine import device
from fragua.training.trainer import OnRow, Trainer, Training

HELD_OUT = 20
"""One prompt in so many is not learned from, only measured on; of few, one."""


class AlignSettings(How, Replayed):
    """What `fragua align` can be told; None is derived and printed."""

    model: Path
    data: Path
    epochs: float = Field(default=1.0, gt=0)
    steps: int | None = Field(default=None, gt=0)
    """Instead of epochs."""
    batch: int = Field(default=32, gt=0)
    """Pairs, or single verdicts, a step."""
    learning_rate: float | None = Field(default=None, gt=0)
    seed: int = 0
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    evaluate_every: int | None = Field(default=None, gt=0)
    checkpoint_every_s: float = Field(default=30.0, ge=0)
    reference: Path | None = None
    """Folder in which the log-probabilities of the model as it is are kept for other runs; None: not kept."""

    @property
    def how(self) -> How:
        return How(**{name: getattr(self, name) for name in How.model_fields})

    def training(self, width: int, steps: int, row_tokens: int) -> Training:
        """The trainer's settings: AdamW at a rate that leaves what was learned before (docs/decisions/0019)."""
        every = self.evaluate_every or max(1, steps // 10)
        return gentle(self, 0.00011 * (256 / width) ** 0.5, steps, row_tokens, evaluate_every=every)


class Row(NamedTuple):
    """Two answers under a prompt (see `Compared`)."""

    prompt: Messages
    first: Answer
    second: Answer
    good: bool | None = None


class Prompted(Protocol):
    """What can be held out by its prompt."""

    @property
    def prompt(self) -> Messages: ...


AnyRow = TypeVar("AnyRow", bound=Prompted)


def align(settings: AlignSettings, out: str | Path, on_step: OnRow | None = None) -> dict[str, Any]:
    """Trains on feedback; resumes as `pretrain` does. Returns the trainer's figures, `pairs` or `verdicts` among them.

    Raises InputError for data of which this method can learn nothing, and what `pretrain` raises."""
    out = Path(out)
    tokenizer, weights = Tokenizer.load(settings.model), weights_digest(settings.model)
    examples = read_feedback(settings.data)
    data = {"feedback": digest_file(settings.data), "model": weights, **settings.replay_digest}
    claim(out, "assistant", settings.model_dump(mode="json", exclude={"model", "data", "reference"}), data)
    if figures := finished_figures(out):
        return figures
    model = load_model(settings.model).to(device())
    rows, dropped = rows_of(examples, tokenizer, model.config.context, settings)
    train, held_out = split(rows)
    if not train:
        what = "verdicts on" if settings.method == "kto" else "pairs of answers to"
        raise InputError(f"no {what} two prompts or more to learn from", settings.data)
    folder = settings.reference or out / "shards"
    parts = [_compared(part, model, weights, folder) for part in (train, held_out)]
    objective = Preference(parts[0], parts[1], settings.how, settings.seed)
    steps = settings.steps or max(1, math.ceil(settings.epochs * len(train) / settings.batch))
    training = settings.training(model.config.width, steps, objective.context)
    announce(settings.method, model.config, training)
    trainer = Trainer(
        model,
        settings.beside(objective, tokenizer, model.config.context, settings.seed, out),
        training,
        out,
        label=settings.method,
        on_step=on_step,
        context=objective.context,
    )
    kind = "verdicts" if settings.method == "kto" else "pairs"
    figures = trainer.run() | {kind: len(rows)}
    if dropped:
        console.print(f"align: {dropped} {kind} whose prompt fills the context dropped", style="yellow")
        figures["dropped"] = dropped
    lineage = {"parents": [parent(settings.model)], "feedback": settings.data.name}
    ends = [end for end in (tokenizer.turn_end_id, tokenizer.end_id) if end is not None]
    return finish(out, model, tokenizer, "assistant", figures, lineage, ends)


def rows_of(
    examples: Iterable[Example], tokenizer: Tokenizer, context: int, settings: AlignSettings
) -> tuple[list[Row], int]:
    """What the method learns from, as tokens; and how many of them do not fit."""
    texts: list[tuple[Messages, str, str, bool | None]]
    if settings.method == "kto":
        single = list(unpaired(examples))
        texts = [
            (one.prompt, one.answer, single[other].answer, one.good)
            for one, other in zip(single, _others(len(single), settings.seed), strict=True)
        ]
    else:
        texts = [(pair.prompt, pair.chosen, pair.rejected, None) for pair in pairs(examples)]
    rows = []
    for prompt, *answers, good in texts:
        first, second = (encode(tokenizer, prompt, str(text), context) for text in answers)
        if first and second:
            rows.append(Row(prompt, first, second, good))
    return rows, len(texts) - len(rows)


def _others(count: int, seed: int) -> list[int]:
    """For each of `count` another one, each serving once: the next in a random order."""
    order = permutation(count, seed, 0)
    others = np.empty(count, dtype=np.int64)
    others[order] = np.roll(order, -1)
    return [int(other) for other in others]


def split(rows: Sequence[AnyRow]) -> tuple[list[AnyRow], list[AnyRow]]:
    """Learned from and held out, by prompt: the same prompt is never in both."""
    prompts = list(dict.fromkeys(digest_json(row.prompt) for row in rows))
    every = max(2, min(HELD_OUT, len(prompts)))
    held_out = set(prompts[every - 1 :: every])
    sides: tuple[list[AnyRow], list[AnyRow]] = ([], [])
    for row in rows:
        sides[digest_json(row.prompt) in held_out].append(row)
    return sides


def _compared(rows: Sequence[Row], model: Decoder, weights: str, folder: Path) -> Compared:
    first, second = [row.first for row in rows], [row.second for row in rows]
    reference_2N = reference(model, weights, [*first, *second], folder).view(2, len(rows))
    good = [row.good for row in rows if row.good is not None]
    return Compared(first, second, reference_2N, torch.tensor(good) if good else None)
