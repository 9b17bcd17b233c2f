"""Honest baselines: the best of n answers as a reward sees them, and fine-tuning on such answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fragua.alignment.align import AlignSettings, align
from fragua.alignment.asking import Asked
from fragua.alignment.feedback.events import Candidate, Comparison, Sampling
from fragua.alignment.rewards import Judge
from fragua.alignment.rollouts import MAX_TOKENS, Question, Rollout, fitting, roll
from fragua.files import write_jsonl
from fragua.inference.chat import MAX_ROUNDS
from fragua.inference.language_model import LanguageModel
from fragua.training.directory import CLAIM, weights_digest
from fragua.training.trainer import OnRow

AT_ONCE = 32
"""Prompts that are answered side by side."""


class RejectionSettings(Asked):
    """What `fragua align --method rejection` can be told; None is derived and printed."""

    group: int = Field(default=8, ge=2)
    """Answers to a prompt, of which the best is learned."""
    rollouts: int = Field(default=2048, gt=0)
    """Answers in all."""
    epochs: float = Field(default=1.0, gt=0)
    batch: int = Field(default=32, gt=0)
    learning_rate: float | None = Field(default=None, gt=0)
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    checkpoint_every_s: float = Field(default=30.0, ge=0)


def best_of_kl(n: int) -> float:
    """How far the best of n leads away from the model, at most, in nats: ln n − (n − 1)/n (Stiennon et al. 2020,
    2009.01325, G.3)."""
    return math.log(n) - (n - 1) / n


def best_of(
    lm: LanguageModel,
    questions: Sequence[Question],
    judge: Judge,
    n: int,
    seed: int,
    max_tokens: int = MAX_TOKENS,
) -> list[tuple[Rollout, Rollout]]:
    """The best and the worst of `n` answers to each question, drawn at temperature 1; the first of equals."""
    rollouts = roll(lm, questions, n, max_tokens=max_tokens, seed=seed)
    _, score_B = judge(rollouts)
    score_QN = score_B.reshape(len(questions), n)
    rows = range(0, len(rollouts), n)
    best_Q, worst_Q = score_QN.argmax(1), score_QN.argmin(1)
    return [
        (rollouts[start + best], rollouts[start + worst])
        for start, best, worst in zip(rows, best_Q, worst_Q, strict=True)
    ]


def reject(settings: RejectionSettings, out: str | Path, on_step: OnRow | None = None) -> dict[str, Any]:
    """Fine-tunes on the best of each group, through `align`. The comparisons stay beside `out`, in OUT.best.jsonl.

    A group whose answers are all worth the same teaches nothing and is left out."""
    out = Path(out)
    feedback = out.with_name(f"{out.name}.best.jsonl")
    if not (out / CLAIM).is_file():
        write_jsonl(
            feedback, (event.model_dump(mode="json", exclude_none=True) for event in _events(settings))
        )
    own = ("model", "seed", "epochs", "batch", "learning_rate", "precision", "checkpoint_every_s")
    values = {name: getattr(settings, name) for name in own}
    return align(AlignSettings.parse(values | {"data": feedback, "method": "chosen"}), out, on_step)


def _events(settings: RejectionSettings) -> Iterator[Comparison]:
    lm, judge, weights = (
        LanguageModel.load(settings.model),
        Judge(settings.parts),
        weights_digest(settings.model),
    )
    wanted = settings.rollouts // settings.group
    questions = fitting(lm, settings.questions(wanted))[:wanted]
    for start in range(0, len(questions), AT_ONCE):
        asked, seed = (
            questions[start : start + AT_ONCE],
            (settings.seed << 32) + start * settings.group * MAX_ROUNDS,
        )
        drawn = Sampling(temperature=1.0, max_tokens=settings.max_tokens, seed=seed)
        for number, pair in enumerate(best_of(lm, asked, judge, settings.group, seed, settings.max_tokens)):
            if pair[0].text.strip() and pair[0].text != pair[1].text:
                yield Comparison(
                    id=f"best-{settings.seed}-{start + number}",
                    at=datetime.now(UTC),
                    annotator="reward",
                    seconds=0.0,
                    prompt=pair[0].question.prompt,
                    candidates=tuple(Candidate(text=one.text, model=weights, sampling=drawn) for one in pair),
                    order=(0, 1),
                    verdict="best",
                    ranking=(0,),
                )
