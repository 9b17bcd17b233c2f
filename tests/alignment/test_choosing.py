"""People's time goes first to what the rewards can't tell."""

from __future__ import annotations

import numpy as np
import pytest

from fragua.alignment.choosing import disagreement, disputed_first
from fragua.alignment.feedback.events import Candidate
from fragua.alignment.feedback.tasks import Task
from fragua.alignment.reward import RewardModel, Scale, with_head
from fragua.inference.language_model import LanguageModel
from tests.tiny_model import write_tiny


def test_disagreement_is_the_variance_of_the_preference() -> None:
    """By hand: σ(2) = 0.8808 and σ(-2) = 0.1192, so the variance is 0.3808²; three answers, the mean of three pairs."""
    assert disagreement(np.array([[2.0, 0.0], [0.0, 2.0]])) == pytest.approx(0.3807970779778824**2)
    assert disagreement(np.array([[2.0, 0.0], [2.0, 0.0]])) == 0.0
    assert disagreement(np.array([[9.0, 7.0], [2.0, 0.0]])) == pytest.approx(0.0), (
        "differences are what counts"
    )
    three = disagreement(np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]))
    sigma = [1 / (1 + np.exp(-x)) for x in (2.0, 0.0)]
    assert three == pytest.approx((0.3807970779778824**2 + 2 * np.var(sigma)) / 3)
    assert disagreement(np.array([[2.0, np.nan], [0.0, 1.0]])) == 0.0
    assert disagreement(np.array([[2.0], [0.0]])) == 0.0


def test_the_most_disputed_task_is_asked_first(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = write_tiny(tmp_path_factory.mktemp("member"))
    lms = [LanguageModel.load(directory) for _ in range(3)]
    members = [(with_head(lm.model, seed), Scale(gain=3.0)) for seed, lm in enumerate(lms)]
    ensemble = RewardModel(members, lms[0].tokenizer)
    tasks = [
        Task(
            prompt=({"role": "user", "content": f"¿Cuánto es {number}?"},),
            candidates=tuple(
                Candidate(text=f"{number} {word}") for word in ("panadero", "village", "río")[:size]
            ),
        )
        for number, size in enumerate((2, 3, 2, 2, 3, 2))
    ]
    tasks.append(Task(prompt=tasks[0].prompt, candidates=tuple(Candidate(text=t) for t in ("x", "y " * 200))))
    found = disputed_first(tasks, ensemble)
    assert sorted(task.id for task in found) == sorted(task.id for task in tasks)
    alone = [
        disagreement(ensemble.rewards([(task.prompt, one.text) for one in task.candidates])) for task in found
    ]
    assert alone == pytest.approx(sorted(alone, reverse=True), abs=1e-6) and alone[0] > alone[-2] > 0
    assert found[-1] == tasks[-1], "what does not fit the rewards comes last"
