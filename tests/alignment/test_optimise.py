"""A policy earns more, a killed run is the run that was not killed, and its losses are TRL's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fragua.alignment import optimise as module
from fragua.alignment.optimise import OptimiseSettings, optimise
from fragua.alignment.rollouts import Question, Record, Rollout, read, read_records
from fragua.alignment.rounds import Batch, Optimising, Round, policy_loss
from fragua.corpus.aldea.asking import assistant, user
from fragua.errors import InputError, RunError
from fragua.files import read_json, read_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.training.dropout import add_dropout
from tests.alignment.test_oracle import CHOSEN, PROMPTS, Peers, same

SMALL = dict(rounds=6, rollouts=16, batch=8, max_tokens=8, held_out=8, learning_rate=1e-3, kl=0.01)
REWARD = "format=.*a.*"
"""An answer with an a in it."""


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(f"Pregunta {number}" for number in range(24)))
    return path


def settings(model: Path, prompts: Path, **changes: Any) -> OptimiseSettings:
    values = dict(model=model, prompts=prompts, reward=(REWARD,))
    return OptimiseSettings.parse(values | SMALL | changes)


@pytest.mark.parametrize("method", ["ppo", "grpo", "rloo"])
def test_what_is_rewarded_is_said_more_often(
    tiny_dir: Path, prompts: Path, tmp_path: Path, method: str
) -> None:
    how = dict(method=method, rounds=12, rollouts=96, batch=48, evaluate_every=12, held_out=64, unfinished=0)
    figures = optimise(settings(tiny_dir, prompts, **how), tmp_path / "m")
    rows = [row for _, row in read_jsonl(tmp_path / "m" / "metrics.jsonl")]
    assert figures["validation_reward_format"] > rows[0]["reward_format"] + 0.15
    assert rows[0]["ratio"] == pytest.approx(1.0, abs=1e-6) and rows[0]["clip_fraction"] == 0.0
    assert rows[0]["kl"] == pytest.approx(0.0, abs=1e-4) and figures["validation_kl"] > 0.1
    # a round in which all groups are of one mind has no tokens, and so no gap
    assert max(row["sampler_gap"] for row in rows if "sampler_gap" in row) < 1e-3
    lineage = read_json(tmp_path / "m" / "fragua.json")
    assert lineage["rewards"] == [REWARD] and lineage["parents"][0]["name"] == tiny_dir.name
    assert LanguageModel.load(tmp_path / "m").chat([user("Hola")], max_tokens=2).finish_reason
    samples = [row for _, row in read_jsonl(tmp_path / "m" / "samples.jsonl")]
    assert samples and {"prompt", "text", "score"} <= samples[0].keys()


def test_a_sign_that_is_the_wrong_way_round_is_caught(
    tiny_dir: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flipped(*args: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        loss, metrics = policy_loss(*args)
        return -loss, metrics

    monkeypatch.setattr(module, "policy_loss", flipped)
    with pytest.raises(AssertionError):
        test_what_is_rewarded_is_said_more_often(tiny_dir, prompts, tmp_path, "grpo")


@pytest.mark.parametrize("method", ["ppo", "grpo"])
def test_a_stopped_run_goes_on_inside_its_round_bit_for_bit(
    tiny_dir: Path, prompts: Path, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(row: dict[str, Any]) -> None:
        if row["step"] == 5:
            raise RunError("stopped")

    given = settings(
        tiny_dir, prompts, method=method, rounds=3, epochs=2, group=4, checkpoint_every_s=0.0, kl_target=1.0
    )
    whole = optimise(given, tmp_path / "whole")
    with pytest.raises(RunError):
        optimise(given, tmp_path / "broken", on_step=stop)
    drawn: list[int] = []
    real = module.draw
    monkeypatch.setattr(module, "draw", lambda *a, **k: drawn.append(1) or real(*a, **k))
    broken = optimise(given, tmp_path / "broken")
    assert len(drawn) == 3, "round 3 and two evaluations: round 2 is read again, not drawn again"
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "broken")]
    assert weights[0] == weights[1] and whole["beta"] == broken["beta"] != given.kl


PROGRAM = """
import json, sys
from fragua.alignment.optimise import OptimiseSettings, optimise
optimise(OptimiseSettings.parse(json.loads(sys.argv[1])), sys.argv[2])
"""


def test_kill_9_and_the_same_command_give_the_same_weights(
    tiny_dir: Path, prompts: Path, tmp_path: Path
) -> None:
    given = settings(tiny_dir, prompts, method="rloo", group=4, checkpoint_every_s=0.0).model_dump_json()

    def start(out: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen([sys.executable, "-c", PROGRAM, given, str(tmp_path / out)], env=environment)

    killed = start("killed")
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("killed/checkpoints/step-*5")) and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "fragua.json").exists()
    assert start("killed").wait() == 0 and start("whole").wait() == 0
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]


def test_dropout_would_be_seen(
    tiny_dir: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it, the first pass of training is not the one that scored the rollouts."""
    real = module.load_model

    def dropping(path: Path) -> Any:
        model = real(path)
        add_dropout(model, 0.2)
        return model

    monkeypatch.setattr(module, "load_model", dropping)
    optimise(settings(tiny_dir, prompts, rounds=1), tmp_path / "m")
    first = next(row for _, row in read_jsonl(tmp_path / "m" / "metrics.jsonl"))
    assert abs(first["ratio"] - 1.0) > 1e-3


# ---- rounds


def record(score: float, *logprobs: float, ended: bool = True) -> Record:
    count = len(logprobs)
    own = np.array([False] + [True] * count)
    values = np.array(logprobs, dtype=np.float32)
    rollout = Rollout(Question((user("?"),)), np.arange(count + 1), own, values, (assistant("x"),), ended, 0)
    zero = np.zeros(count, dtype=np.float32)
    return Record(rollout, values, zero, zero, {"format": score}, score, 0.0)


def test_groups_of_one_mind_are_dropped_and_counted() -> None:
    records = [record(1.0, -1.0), record(1.0, -2.0, -1.0), record(0.0, -1.0), record(3.0, -1.0)]
    how = Optimising(method="grpo", group=2, kl=0.0)
    found = Round.of(records, how, 0.0, 2)
    assert found.kept == [2, 3] and found.figures["zero_variance"] == 0.5
    assert found.batch([2, 3], torch.device("cpu")).advantage_N.tolist() == [-1.5, 1.5]
    empty = found.batch([], torch.device("cpu"))
    assert len(empty.old_N) == 0


def test_an_answer_without_an_end_pays_for_it() -> None:
    records = [record(1.0, -1.0), record(1.0, -1.0, ended=False)]
    found = Round.of(records, Optimising(method="rloo", group=2, kl=0.0, unfinished=3.0), 0.0, 2)
    assert found.advantage_BT[:, 0].tolist() == [3.0, -3.0] and found.figures["ended"] == 0.5


def test_a_round_that_teaches_nothing_moves_nothing(tiny_dir: Path, prompts: Path, tmp_path: Path) -> None:
    given = settings(
        tiny_dir, prompts, method="grpo", group=4, rounds=2, reward=("format=x{9}",), unfinished=0
    )
    figures = optimise(given, tmp_path / "m")
    assert figures["loss"] == 0.0
    before, after = (LanguageModel.load(path).decoder for path in (tiny_dir, tmp_path / "m"))
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"world": 0}, "prompts or world: exactly one"),
        ({"batch": 5}, "are not whole steps of 5"),
        ({"method": "rloo", "group": 1}, "2 or more are needed"),
        ({"ability": ("facts",)}, "ability is for a world"),
        ({"reward": ()}, "reward"),
    ],
)
def test_settings_that_do_not_go_together_are_told(
    tiny_dir: Path, prompts: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        settings(tiny_dir, prompts, **changes)


def test_records_of_every_round_are_kept(tiny_dir: Path, prompts: Path, tmp_path: Path) -> None:
    optimise(settings(tiny_dir, prompts, method="grpo", group=4, rounds=2), tmp_path / "m")
    rounds = sorted((tmp_path / "m" / "rollouts").glob("round-*.jsonl"))
    assert [path.name for path in rounds] == ["round-00001.jsonl", "round-00002.jsonl"]
    assert [len(list(read_records(path))) for path in rounds] == [16, 16]


# ---- TRL


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Peers:
    pytest.importorskip("trl")
    return Peers(tmp_path_factory.mktemp("peers"))


def rollouts() -> list[Rollout]:
    found = []
    for prompt, answer in zip(PROMPTS, CHOSEN, strict=True):
        ids = np.array([*prompt, *answer], dtype=np.int64)
        own = np.arange(len(ids)) >= len(prompt)
        found.append(Rollout(Question((user("?"),)), ids, own, np.zeros(len(answer)), (), True, 0))
    return found


def padded_left(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    return ids, torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])


@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_policies_learn_what_trl_teaches(peers: Peers, method: str) -> None:
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    how = Optimising(method=method, group=2, clip_low=0.2, clip_high=0.3 if method == "grpo" else 0.2)  # type: ignore[arg-type]
    common: dict[str, Any] = dict(
        output_dir=str(peers.folder), use_cpu=True, report_to=[], bf16=False, gradient_checkpointing=False,
        per_device_train_batch_size=2, num_generations=2, max_completion_length=16,
        epsilon=how.clip_low, epsilon_high=how.high,
    )  # fmt: skip
    own = (
        {"loss_type": "bnpo", "beta": 0.4, "use_bias_correction_kl": False}
        if method == "grpo"
        else {"beta": 0.0}
    )
    kind, config = (GRPOTrainer, GRPOConfig) if method == "grpo" else (RLOOTrainer, RLOOConfig)
    from datasets import Dataset

    trainer = kind(
        model=peers.theirs,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=config(**common, **own),
        train_dataset=Dataset.from_list([{"prompt": "a"}] * 2),
        processing_class=peers.tokenizer,
    )
    asked = rollouts()
    lengths = [int(each.own.sum()) for each in asked]
    with torch.no_grad():
        now, before = (read(model, asked, 1.0).logprob_N for model in (peers.ours, peers.our_reference))
    torch.manual_seed(0)
    # an older policy: the ratio is clipped on both sides. RLOO's, of whole answers, is compared where it is 1
    old_N = now + (0.3 * torch.randn_like(now) if method == "grpo" else 0.0)
    advantages = torch.tensor([0.7, -1.3])
    advantage_N = advantages.repeat_interleave(torch.tensor(lengths))
    zero_N = torch.zeros_like(now)
    batch = Batch(asked, old_N, before, advantage_N, zero_N, zero_N, own["beta"], {})
    loss, metrics = policy_loss(read(peers.ours, asked, 1.0), batch, how)
    assert method == "rloo" or 0 < metrics["clip_fraction"].mean() < 1

    def filled(values_N: torch.Tensor) -> torch.Tensor:
        return torch.nn.utils.rnn.pad_sequence(list(values_N.split(lengths)), batch_first=True)

    prompt_ids, prompt_mask = padded_left([list(prompt) for prompt in PROMPTS])
    inputs = {
        "prompt_ids": prompt_ids,
        "prompt_mask": prompt_mask,
        "completion_ids": filled(torch.cat([torch.from_numpy(each.ids[each.own]) for each in asked])),
        "completion_mask": filled(torch.ones_like(now, dtype=torch.long)),
        "advantages": advantages,
        "old_per_token_logps": filled(old_N),
        "ref_per_token_logps": filled(before),
        "old_logps": filled(old_N).sum(1),
    }
    trainer.model.eval()
    theirs = trainer._compute_loss(trainer.model, inputs)
    # theirs is a mean over answers for RLOO, ours over tokens: the sums are the same up to the advantage's constant
    scale = 1 / len(now) if method == "grpo" else 1 / len(asked)
    ours = loss * scale
    if method == "rloo":
        ours = ours - ours.detach() + theirs.detach()
    same(peers.ours, ours, peers.theirs, theirs)
