"""Which answers to ask people about: those on which an ensemble of rewards is of several minds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from fragua.alignment.feedback.tasks import Task
from fragua.alignment.reward import RewardModel


def disagreement(rewards_MK: np.ndarray) -> float:
    """How far M rewards are apart about K answers: the variance among them of P(a is better than b), the mean over
    pairs of answers (Christiano et al. 2017, 1706.03741, section 2.2.4). 0 where a pair was not read by all."""
    preferred_MP = [1 / (1 + np.exp(b_M - a_M)) for a_M, b_M in combinations(rewards_MK.T, 2)]
    return float(np.nan_to_num(np.var(preferred_MP, axis=1)).mean()) if preferred_MP else 0.0


def disputed_first(tasks: Sequence[Task], rewards: RewardModel) -> list[Task]:
    """The tasks by falling disagreement about their answers; the same ones keep their order."""
    asked = [(task.prompt, one.text) for task in tasks for one in task.candidates]
    rewards_MN = rewards.rewards(asked)
    ends = np.cumsum([len(task.candidates) for task in tasks])
    parts = np.split(rewards_MN, ends[:-1], axis=1)
    order = sorted(range(len(tasks)), key=lambda number: -disagreement(parts[number]))
    return [tasks[number] for number in order]
