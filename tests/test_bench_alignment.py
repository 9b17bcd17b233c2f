"""What a person would lose: a benchmark that breaks after hours, or does again what is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks import alignment, grpo_speed
from benchmarks.preferences import conversations

from fragua.files import read_json, write_jsonl
from tests.tiny_model import write_tiny


def test_every_cell_runs_once_and_its_figures_are_of_its_questions(tmp_path: Path) -> None:
    model = write_tiny(tmp_path / "assistant", context=256)
    talk = [{"role": "user", "content": "Hola."}, {"role": "assistant", "content": "Hola, ¿qué tal?"}]
    write_jsonl(conversations(model), [{"messages": talk}] * 8)
    size = replace(alignment.SMOKE, comparisons=8, items=4, exam=4, rollouts=8, batch=4)
    given: dict[str, Any] = dict(
        model=model, runs=tmp_path / "runs", size=size, picture=tmp_path / "over.png"
    )
    found = alignment.main((0,), **given)
    figures = found["figures"]
    wanted = {
        "ppo_win_rate", "dpo_win_rate", "bon_win_rate", "shuffled_win_rate", "gold_ceiling_win_rate", "ppo_kl_nats",
        "grpo_multistep_before", "grpo_multistep_after", "exam_change_points",
    }  # fmt: skip
    assert wanted <= figures.keys() and all(
        {"value", "low", "high"} <= row.keys() for row in figures.values()
    )
    wins = read_json(tmp_path / "runs" / "seed-0" / "ppo.json")["wins"]
    assert figures["ppo_win_rate"]["value"] == pytest.approx(sum(wins) / len(wins))
    assert {"bon", "ppo"} == found["over_optimisation"]["8"].keys() and (
        tmp_path / "over.png"
    ).stat().st_size > 9000
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert alignment.main((0,), **given)["figures"] == figures
    assert made == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}


def test_steps_of_both_trainers_are_timed(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    model = write_tiny(tmp_path / "model", context=256)
    told = grpo_speed.main(model, steps=2)
    speeds, (low, high) = told["samples_per_s"], told["ratio_spread"]["samples_per_s"]
    assert len(speeds["fragua"]) == len(speeds["trl"]) == 3 and min(speeds["fragua"] + speeds["trl"]) > 0
    assert low <= told["ratios"]["samples_per_s"] <= high
