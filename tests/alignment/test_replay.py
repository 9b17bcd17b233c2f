"""What is learned again beside comparisons and rewards stays, and changes nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fragua.alignment.align import AlignSettings, align
from fragua.alignment.optimise import OptimiseSettings, optimise
from fragua.alignment.replay import Replay, Replayed
from fragua.errors import InputError, RunError
from fragua.files import write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.tokens.loader import Batch
from fragua.training.objectives import LossSum, NextToken
from tests.alignment.conftest import NAMES

ANSWERS = ("Lunes y martes.", "Nunca.", "Cada dos domingos.")


@pytest.fixture(scope="module")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replay") / "conversations.jsonl"
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"¿Cuándo viene {name}?"},
                {"role": "assistant", "content": ANSWERS[number % len(ANSWERS)]},
            ]
        }
        for number, name in enumerate(NAMES)
    ]
    write_jsonl(path, rows)
    return path


def settings(model: Path, data: Path, **changes: Any) -> AlignSettings:
    values = dict(model=model, data=data, batch=8, steps=16, learning_rate=3e-3)
    return AlignSettings.parse(values | changes)


def learned_again(model: Path, conversations: Path, out: Path) -> float:
    """Mean nats a token of the conversations."""
    lm = LanguageModel.load(model)
    again = Replayed(replay=conversations).beside(Nothing(), lm.tokenizer, lm.context, 0, out)
    assert isinstance(again, Replay)
    with torch.no_grad():
        told = again.conversations.loss(lm.decoder, again.conversations.batch(2))
    return told.loss.item() / told.tokens


class Nothing:
    """An objective of three rows, whose loss is 6."""

    def batch(self, rows: int) -> int:
        return rows

    def tokens(self, batch: int) -> int:
        return 3

    def loss(self, model: Any, batch: int) -> LossSum:
        return LossSum(torch.tensor(6.0), 3)

    def validation(self, rows: int) -> Any:
        return iter([rows])

    def state(self) -> dict[str, Any]:
        return {"own": 1}

    def restore(self, state: dict[str, Any]) -> None:
        assert state == {"own": 1}


def test_comparisons_are_learned_and_the_conversations_too(
    tiny_dir: Path, feedback: Path, conversations: Path, tmp_path: Path
) -> None:
    alone = align(settings(tiny_dir, feedback), tmp_path / "alone")
    both = align(settings(tiny_dir, feedback, replay=conversations, replay_weight=1), tmp_path / "both")
    assert both["validation_accuracy"] == alone["validation_accuracy"] == 1.0
    told = [
        learned_again(tmp_path / name, conversations, tmp_path / f"{name}-read") for name in ("alone", "both")
    ]
    assert told[1] < told[0] - 1.0
    assert both["replay_loss"] < 0.8 * told[0]
    assert not (tmp_path / "both" / "shards").exists()


def test_it_is_added_as_the_equation_has_it_and_not_told(
    lm: LanguageModel, conversations: Path, tmp_path: Path
) -> None:
    objective = Replayed(replay=conversations, replay_weight=0.5).beside(
        Nothing(), lm.tokenizer, 96, 0, tmp_path
    )
    batch = objective.batch(8)
    assert isinstance(objective, Replay) and batch[0] == 8 and isinstance(batch[1], Batch)
    with torch.no_grad():
        told, own = (
            objective.loss(lm.decoder, batch),
            NextToken.loss(objective.conversations, lm.decoder, batch[1]),
        )
    assert told.loss.item() == 6.0 and told.tokens == objective.tokens(batch) == 3
    mean = own.loss.item() / own.tokens
    assert told.total(3).item() == pytest.approx(6 / 3 + 0.5 * mean, rel=1e-5)
    assert told.metrics["replay_loss"] == pytest.approx(3 * mean, rel=1e-5)
    held_out = next(iter(objective.validation(8)))
    assert objective.loss(lm.decoder, held_out).aside is None, "what is measured is the objective alone"


def test_a_stopped_run_ends_as_an_unbroken_one_bit_for_bit(
    tiny_dir: Path, feedback: Path, conversations: Path, tmp_path: Path
) -> None:
    def stop(row: dict[str, Any]) -> None:
        if row["step"] == 5:
            raise RunError("stopped")

    how = settings(tiny_dir, feedback, replay=conversations, steps=8, checkpoint_every_s=0.0)
    align(how, tmp_path / "whole")
    with pytest.raises(RunError):
        align(how, tmp_path / "broken", on_step=stop)
    align(how, tmp_path / "broken")
    whole, broken = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "broken"))
    assert whole == broken


def test_a_policy_learns_them_beside_its_reward(tiny_dir: Path, conversations: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(f"Pregunta {number}" for number in range(24)))
    values = dict(model=tiny_dir, prompts=prompts, reward=("format=.*a.*",), rounds=6, rollouts=16, batch=8)
    small = dict(max_tokens=8, held_out=8, learning_rate=1e-3, replay=conversations, replay_weight=1)
    figures = optimise(OptimiseSettings.parse(values | small), tmp_path / "m")
    before = learned_again(tiny_dir, conversations, tmp_path / "before")
    assert figures["replay_loss"] < before - 0.5
    assert learned_again(tmp_path / "m", conversations, tmp_path / "after") < before - 0.5


def test_a_file_that_is_not_there_is_told_before_anything_is_made(
    tiny_dir: Path, feedback: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no such file"):
        align(settings(tiny_dir, feedback, replay=tmp_path / "none.jsonl"), tmp_path / "m")
    assert not (tmp_path / "m").exists()
