"""Whether it worked: two models answer held-out questions, and the gold labeller says whose answer is better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fragua.alignment.feedback.events import Sampling
from fragua.alignment.gold import CALLING, MAX_TOKENS, draw, gold_reward, marks
from fragua.corpus.aldea.entities import World
from fragua.corpus.aldea.exam import ExamItem, exam_items
from fragua.inference.language_model import LanguageModel

RESAMPLES = 2000
ALIKE = 0.1
"""Answers are of like length whose words differ by a tenth at most, or by one."""


def held_out_items(world: World, seed: int, count: int, known: Sequence[ExamItem] = ()) -> list[ExamItem]:
    """`count` questions at most from the exam's side of the hold-out, none of them in `known`."""
    asked = {item.thread for item in known}
    items = [item for item in exam_items(world, seed, 2 * count) if item.family not in CALLING]
    return [item for item in items if item.thread not in asked and not item.tools][:count]


def answer(lm: LanguageModel, items: Sequence[ExamItem], temperature: float, seed: int) -> list[str]:
    """One answer to each; an empty one where the model called a tool, or where the question did not fit."""
    sampling = Sampling(temperature=temperature, max_tokens=MAX_TOKENS, seed=seed)
    found = {id(asked.item): asked.answers for asked in draw(lm, items, sampling, 1)}
    return [next(iter(found.get(id(item), ())), "") for item in items]


@dataclass(frozen=True)
class Duel:
    """What the gold labeller thinks of two answers a question, and how long they are, in words: float [N, 2]."""

    rewards_N2: np.ndarray
    words_N2: np.ndarray

    @classmethod
    def of(cls, items: Sequence[ExamItem], new: Sequence[str], old: Sequence[str]) -> Duel:
        both = list(zip(items, new, old, strict=True))
        rewards = [[gold_reward(item, a), gold_reward(item, b)] for item, a, b in both]
        return cls(np.array(rewards), np.array([[len(a.split()), len(b.split())] for _, a, b in both], float))

    def wins(self) -> np.ndarray:
        """1 where the first is better by gold without its noise, 0.5 where both are worth the same: float [N]."""
        difference_N = self.rewards_N2[:, 0] - self.rewards_N2[:, 1]
        return np.where(np.abs(difference_N) < 1e-9, 0.5, (difference_N > 0).astype(float))

    def alike(self) -> np.ndarray:
        """Whether the answers are of like length, bool [N]."""
        gap_N = np.abs(self.words_N2[:, 0] - self.words_N2[:, 1])
        return gap_N <= np.maximum(1, ALIKE * self.words_N2.max(1))

    def figures(self, seed: int = 0) -> dict[str, Any]:
        wins_N, alike_N = self.wins(), self.alike()
        return {
            "win_rate": bootstrap(wins_N, seed),
            "win_rate_like_length": bootstrap(wins_N[alike_N], seed),
            "ties": float((wins_N == 0.5).mean()),
            "words": {"new": float(self.words_N2[:, 0].mean()), "old": float(self.words_N2[:, 1].mean())},
            "reward": {
                "new": float(self.rewards_N2[:, 0].mean()),
                "old": float(self.rewards_N2[:, 1].mean()),
            },
        }


def bootstrap(values_N: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """The mean with its 95 % interval from resampled values."""
    if not len(values_N):
        return {"value": 0.0, "low": 0.0, "high": 0.0, "n": 0}
    rng = np.random.default_rng(seed)
    means = rng.choice(values_N, (RESAMPLES, len(values_N))).mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {"value": float(values_N.mean()), "low": float(low), "high": float(high), "n": len(values_N)}


def audit(
    new: LanguageModel,
    old: LanguageModel,
    items: Sequence[ExamItem],
    temperatures: Sequence[float] = (1.0, 0.0),
    seed: int = 0,
    answered: Callable[[list[str], list[str]], None] | None = None,
) -> dict[str, Any]:
    """`by_temperature`: wins of the new model by gold, all and of like length, and the mean of each mark."""
    found = {}
    for temperature in temperatures:
        said = [answer(lm, items, temperature, seed) for lm in (new, old)]
        if answered:
            answered(*said)
        named = dict(zip(("new", "old"), said, strict=True))
        found[f"{temperature:g}"] = Duel.of(items, *said).figures(seed) | {
            "marks": {name: _means(items, texts) for name, texts in named.items()}
        }
    return {"questions": len(items), "by_temperature": found}


def _means(items: Sequence[ExamItem], texts: Sequence[str]) -> dict[str, float]:
    rows = [marks(item, text) for item, text in zip(items, texts, strict=True)]
    return {name: sum(row[name] for row in rows) / max(len(rows), 1) for name in rows[0]} if rows else {}
