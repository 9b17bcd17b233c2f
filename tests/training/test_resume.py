"""What a person would lose if it failed: an hour of training."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from fragua.errors import InputError, RunError
from fragua.files import read_json, read_jsonl
from fragua.models import load_model
from fragua.training import trainer as trainer_module
from fragua.training.checkpoint import load_checkpoint, save_checkpoint
from fragua.training.pretrain import pretrain
from tests.training.conftest import settings_for

PROGRAM = """
import json, sys
from fragua.training.pretrain import PretrainSettings, pretrain
pretrain(PretrainSettings.parse(json.loads(sys.argv[1])), sys.argv[2])
"""


def start(
    folder: Path, out: Path, environment: dict[str, str] | None = None, **changes: object
) -> subprocess.Popen[bytes]:
    settings = settings_for(folder, **changes).model_dump_json()
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {})
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, settings, str(out)], env=environment, stderr=subprocess.PIPE
    )


def wait_for_step(out: Path, step: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if any(int(path.name[5:]) >= step for path in out.glob("checkpoints/step-*")):
            return
        time.sleep(0.01)
    raise AssertionError(f"no checkpoint of step {step}: {process.communicate()[1].decode()}")


def test_kill_9_and_the_same_command_give_the_same_weights_bit_for_bit(tiny: Path, tmp_path: Path) -> None:
    steps = 60
    assert start(tiny, tmp_path / "whole", steps=steps).wait() == 0
    draw = random.Random()
    for first, last in ((2, 20), (25, 45)):
        process = start(tiny, tmp_path / "killed", steps=steps)
        wait_for_step(tmp_path / "killed", draw.randint(first, last), process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "killed" / "fragua.json").exists()
    assert start(tiny, tmp_path / "killed", steps=steps).wait() == 0
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert (whole / "model.safetensors").read_bytes() == (killed / "model.safetensors").read_bytes()
    losses = [[row["loss"] for _, row in read_jsonl(out / "metrics.jsonl")] for out in (whole, killed)]
    assert len(losses[0]) == steps and losses[0] == losses[1]


def test_a_signal_ends_the_run_after_its_step_and_says_how_to_go_on(tiny: Path, tmp_path: Path) -> None:
    process = start(tiny, tmp_path / "m", steps=5000, checkpoint_every_s=0.5)
    wait_for_step(tmp_path / "m", 1, process)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"stopped by SIGTERM" in error and b"run the same command again" in error


def test_a_finished_run_is_left_alone_and_another_is_refused(tiny: Path, tmp_path: Path) -> None:
    figures = pretrain(settings_for(tiny), tmp_path / "m")
    before = (tmp_path / "m" / "model.safetensors").stat().st_mtime_ns
    assert pretrain(settings_for(tiny), tmp_path / "m")["loss"] == figures["loss"]
    assert (tmp_path / "m" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(InputError, match=r"settings.seed = 0, not 1"):
        pretrain(settings_for(tiny, seed=1), tmp_path / "m")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="in use"):
        pretrain(settings_for(tiny), tmp_path / "other")
    assert read_json(tmp_path / "m" / "fragua.json")["kind"] == "base"
    assert "bits a byte" in (tmp_path / "m" / "README.md").read_text()


def test_the_model_learns_and_the_directory_is_whole(tiny: Path, tmp_path: Path) -> None:
    rows: list[dict] = []
    samples: list[dict] = []
    pretrain(settings_for(tiny, steps=80), tmp_path / "m", on_step=rows.append, on_sample=samples.append)
    assert rows[-1]["validation_loss"] < rows[0]["loss"] - 1.5
    assert {row["lang"] for row in samples} == {"es", "en"}
    assert rows == [row for _, row in read_jsonl(tmp_path / "m" / "metrics.jsonl")]
    assert (
        load_model(tmp_path / "m").config.parameters()
        == read_json(tmp_path / "m" / "fragua.json")["figures"]["parameters"]
    )
    assert not (tmp_path / "m" / "checkpoints").exists()


def test_it_learns_in_bfloat16_what_it_learns_in_float32(tiny: Path, tmp_path: Path) -> None:
    losses = [
        pretrain(settings_for(tiny, steps=40, precision=precision), tmp_path / precision)["validation_loss"]
        for precision in ("float32", "bfloat16")
    ]
    assert losses[1] == pytest.approx(losses[0], abs=0.05)


def test_micro_batches_change_nothing_but_rounding(tiny: Path, tmp_path: Path) -> None:
    losses = []
    for micro in (1, 2, 4):
        rows: list[dict] = []
        pretrain(settings_for(tiny, steps=6, micro_rows=micro), tmp_path / str(micro), on_step=rows.append)
        losses.append(torch.tensor([row["loss"] for row in rows]))
    torch.testing.assert_close(losses[0], losses[2], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(losses[1], losses[2], atol=1e-4, rtol=1e-4)


def test_a_truncated_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, {"w": torch.full((1000,), float(step))}, {"note": step})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]
    newest = tmp_path / "step-00000003" / "tensors.safetensors"
    newest.write_bytes(newest.read_bytes()[:2000])
    found = load_checkpoint(tmp_path)
    assert found is not None and found[1]["step"] == 2 and found[0]["w"][0] == 2
    (tmp_path / "step-00000002" / "state.json").write_text("{")
    assert load_checkpoint(tmp_path) is None


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(tiny: Path, tmp_path: Path) -> None:
    rows: list[dict] = []

    def poison(row: dict) -> None:
        rows.append(row)
        if row["step"] == 4:
            with torch.no_grad():
                next(iter(found[0].parameters())).fill_(float("nan"))

    found: list[torch.nn.Module] = []
    original = trainer_module.Trainer._prepare

    def prepare(self: trainer_module.Trainer) -> None:
        found.append(self.model)
        original(self)

    trainer_module.Trainer._prepare = prepare  # type: ignore[method-assign]
    try:
        with pytest.raises(RunError, match=r"loss nan.*at step 5.*lower the learning rate"):
            pretrain(settings_for(tiny), tmp_path / "m", on_step=poison)
    finally:
        trainer_module.Trainer._prepare = original  # type: ignore[method-assign]
    checkpoint = load_checkpoint(tmp_path / "m" / "checkpoints")
    assert checkpoint is not None and checkpoint[1]["step"] == 4
    assert all(torch.isfinite(tensor).all() for tensor in checkpoint[0].values())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is needed")
def test_a_full_disk_is_one_clear_line_and_the_checkpoint_stays(tiny: Path, tmp_path: Path) -> None:
    pretrain_once = settings_for(tiny)

    def fill(row: dict) -> None:
        if row["step"] == 3:
            metrics = tmp_path / "m" / "metrics.jsonl"
            metrics.unlink()
            metrics.symlink_to("/dev/full")

    with pytest.raises(RunError, match="no space left on the device"):
        pretrain(pretrain_once, tmp_path / "m", on_step=fill)
    checkpoint = load_checkpoint(tmp_path / "m" / "checkpoints")
    assert checkpoint is not None and checkpoint[1]["step"] == 4


def test_metrics_have_the_keys_that_readers_rely_on(tiny: Path, tmp_path: Path) -> None:
    pretrain(settings_for(tiny, steps=6), tmp_path / "m")
    last = json.loads((tmp_path / "m" / "metrics.jsonl").read_text().splitlines()[-1])
    wanted = {"step", "steps", "tokens", "seconds", "loss", "bits_per_byte", "learning_rate", "grad_norm"}
    assert wanted | {"tokens_per_s", "peak_share", "validation_loss", "validation_bits_per_byte"} == set(last)
    assert list((tmp_path / "m" / "tensorboard").glob("events*"))
