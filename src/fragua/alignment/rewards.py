"""Rewards by name: what an answer is worth, said by a model or by code, weighed, clipped and added up."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from fragua.alignment.gold import MOST, gold_reward
from fragua.alignment.reward import RewardModel
from fragua.alignment.rollouts import Rollout
from fragua.corpus.aldea.exam import ExamItem, grade
from fragua.errors import InputError
from fragua.inference.calculator import CalculationError, evaluate
from fragua.inference.language_model import LanguageModel
from fragua.settings import Settings

Reward = Callable[[Sequence[Rollout]], np.ndarray]
"""float64 [N]; NaN where it has no opinion, as a reward model of an answer that does not fit it."""

FORM = "NAME[=WITH][*WEIGHT][@LOW:HIGH]"
_PART = re.compile(
    r"(?P<name>\w+)(?:=(?P<given>.*?))?(?:\*(?P<weight>[-\d.eE+]+))?(?:@(?P<low>[^:@]+):(?P<high>[^:@]+))?"
)
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")


class Part(Settings):
    """A named reward, clipped, times its weight."""

    name: str
    given: str = ""
    """What it needs: a reward model's directory, an expression."""
    weight: float = Field(default=1.0, allow_inf_nan=False)
    low: float = Field(default=-10.0, allow_inf_nan=False)
    high: float = Field(default=10.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.name not in REWARDS:
            raise ValueError(f"unknown reward '{self.name}'; known: {', '.join(REWARDS)}")
        if self.low >= self.high:
            raise ValueError(f"clipped to {self.low} … {self.high}: the second must be larger")
        return self

    @classmethod
    def read(cls, text: str) -> Self:
        """From `FORM`, for example `model=judge*0.5@-3:3`. Raises InputError for anything else."""
        found = _PART.fullmatch(text)
        if found is None:
            raise InputError(f"'{text}' is not {FORM}", "--reward", "for example: gold, or model=judge*0.5")
        return cls.parse({key: value for key, value in found.groupdict().items() if value}, "--reward")

    def models(self) -> list[Path]:
        """The directories of the models that it asks."""
        if self.name == "label":
            return [Path(self.given.rpartition(":")[0])]
        return RewardModel.folders(Path(self.given)) if self.name == "model" else []


class Judge:
    """Several rewards together."""

    def __init__(self, parts: Sequence[Part]):
        """Raises InputError where a reward lacks what it needs, or is named twice."""
        names = [part.name for part in parts]
        if len(set(names)) < len(names) or not names:
            raise InputError("each reward once, and one at least", "--reward", f"known: {', '.join(REWARDS)}")
        self.parts = [(part, REWARDS[part.name](part.given)) for part in parts]

    def __call__(self, rollouts: Sequence[Rollout]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Each part's rewards, clipped, and their weighted sum, float64 [N]. No opinion is the lowest one."""
        found, score_N = {}, np.zeros(len(rollouts))
        for part, reward in self.parts:
            told_N = np.nan_to_num(reward(rollouts), nan=part.low).clip(part.low, part.high)
            found[part.name] = told_N
            score_N += part.weight * told_N
        return found, score_N


def _model(given: str) -> Reward:
    """A reward model's; of an ensemble the mean."""
    if not given:
        raise InputError(
            "which reward model?", "--reward model", "model=DIR, as `fragua align reward` made it"
        )
    model = RewardModel.load(given)

    def reward(rollouts: Sequence[Rollout]) -> np.ndarray:
        told: np.ndarray = model.rewards([(each.question.prompt, each.text) for each in rollouts]).mean(0)
        return told

    return reward


def _label(given: str) -> Reward:
    """How probable a classifier finds a label of the answer's text, from 0 to 1."""
    folder, _, label = given.rpartition(":")
    if not folder:
        raise InputError(
            "which label?", "--reward label", "label=DIR:NAME, DIR as `fragua finetune --task` made it"
        )
    lm = LanguageModel.load(folder)
    if label not in lm.model.config.label_names:
        known = ", ".join(lm.model.config.label_names) or "none"
        raise InputError(f"no label '{label}'; known: {known}", folder)

    def reward(rollouts: Sequence[Rollout]) -> np.ndarray:
        return np.array([told.probabilities[label] for told in lm.classify([each.text for each in rollouts])])

    return reward


def _each(name: str, judge: Callable[[ExamItem, Rollout], float]) -> Callable[[str], Reward]:
    """A reward of answers whose right answer is known."""

    def told(rollout: Rollout) -> float:
        if rollout.question.item is None:
            what = f"{name} needs prompts with their answers"
            raise InputError(what, "--reward", "take --world, or a file of questions with their graders")
        return judge(rollout.question.item, rollout)

    return lambda _: lambda rollouts: np.array([told(rollout) for rollout in rollouts], dtype=float)


def _sum(item: ExamItem, rollout: Rollout) -> float:
    """1 where the last number said is what the calculator makes of the question's expression."""
    expression = item.spec.get("expression")
    if not isinstance(expression, str):
        raise InputError("arithmetic needs an expression in each question", "--reward", "or take: correct")
    said = _NUMBER.findall(rollout.text)
    try:
        return float(bool(said) and evaluate(said[-1]) == evaluate(expression))
    except CalculationError:
        return 0.0


def _format(given: str) -> Reward:
    """1 for a last message that an expression matches whole."""
    try:
        wanted = re.compile(given, re.DOTALL)
    except re.error as error:
        raise InputError(f"'{given}' is no regular expression ({error})", "--reward format") from error
    if not given:
        raise InputError("which format?", "--reward format", "format=EXPRESSION, for example: format=\\d+")
    return lambda rollouts: np.array([float(wanted.fullmatch(each.text) is not None) for each in rollouts])


REWARDS: dict[str, Callable[[str], Reward]] = {
    "model": _model,
    "label": _label,
    "gold": _each("gold", lambda item, rollout: gold_reward(item, rollout.text) / MOST),
    "correct": _each("correct", lambda item, rollout: float(bool(grade(item, list(rollout.steps))))),
    "arithmetic": _each("arithmetic", _sum),
    "format": _format,
}
"""All but a model's are from 0 to 1. gold: the share of all that the labeller can give; correct: the question's own
grader, which for programs runs their tests."""
