"""Honest baselines: the best of n answers as a reward sees them, and fine-tuning on such answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from fragua.alignment.align import AlignSettings, align
from fragua.alignment.feedback.events import Candidate, Comparison, Sampling
from fragua.alignment.optimise import Asked, Earned
from fragua.alignment.rewards import Judge, Part
from fragua.alignment.rollouts import Question, Rollout, roll
from fragua.files import write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.training.directory import weights_digest
from fragua.training.trainer import OnRow

FEEDBACK = "best.jsonl"


def best_of_kl(n: int) -> float:
    """How far the best of n leads away from the model, at most, in nats: ln n − (n − 1)/n (Stiennon et al. 2020,
    2009.01325, G.3)."""
    return math.log(n) - (n - 1) / n


def best_of(
    lm: LanguageModel, questions: Sequence[Question], judge: Judge, n: int, seed: int, max_tokens: int = 96
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
