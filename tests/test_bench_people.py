"""What a person would lose: agreement with people measured on what was learned, and figures of what was not asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks import architectures, rewards, style
from benchmarks.translation import read_tatoeba

from fragua.alignment.examples import Pair
from fragua.alignment.feedback.events import examples
from fragua.alignment.feedback.formats import read_events
from fragua.files import read_json, read_jsonl
from tests.tiny_model import write_tiny


def user(text: str) -> tuple[dict[str, str], ...]:
    return ({"role": "user", "content": text},)


def test_no_prompt_is_learned_from_and_judged() -> None:
    rows = [Pair(user(f"¿{number % 7}?"), "sí", "no") for number in range(40)]
    parts = rewards.folds(rows)
    prompts = [{row.prompt[0]["content"] for row in part} for part in parts]
    assert sum(map(len, parts)) == 40 and len(set.union(*prompts)) == sum(map(len, prompts)) == 7


def test_the_baselines_on_real_comparisons(data_dir: Path, tmp_path: Path) -> None:
    told = rewards.real("hh_rlhf", {"shorter": rewards.by_length, "words": rewards.by_words}, tmp_path)
    assert told["broken"] == 5 and told["shorter"]["n"] == 2307
    assert told["shorter"]["value"] == pytest.approx(0.561, abs=0.001)
    assert told["words"]["low"] > told["shorter"]["value"]


def test_a_reward_model_is_judged_on_what_it_has_not_seen(tmp_path: Path) -> None:
    model = write_tiny(tmp_path / "model", context=256)
    rows = [
        Pair(user(f"¿Cuánto es {n} más {n}?"), f"Son {2 * n}.", "No lo sé, la verdad.") for n in range(40)
    ]
    right = rewards.by_reward(model, epochs=8)(rows[:30], rows[30:], tmp_path / "fold")
    assert len(right) == 10 and set(right) <= {0.0, 0.5, 1.0}
    learned = [row for _, row in read_jsonl(tmp_path / "fold.jsonl")]
    assert [row["prompt"][0]["content"] for row in learned] == [row.prompt[0]["content"] for row in rows[:30]]


def test_a_style_is_learned_from_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    rows, held_out = style.sst2(data_dir)
    monkeypatch.setattr(style, "sst2", lambda _: (rows[:600], held_out[:40]))
    monkeypatch.setattr("fragua.learning.transfer.FEW_STEPS", 10)
    size = replace(style.SMOKE, labelled=60)
    told = style.main(tmp_path, size, tmp_path / "style.png")["table"]
    assert list(told) == ["0", "8", "labeller"]
    assert told["0"]["kl_nats"]["value"] == pytest.approx(0, abs=1e-4), "the model as it was"
    assert all(0 <= row["praise"]["low"] <= row["praise"]["high"] <= 1 for row in told.values())
    events = list(read_events(tmp_path / "choices.jsonl"))
    assert len(events) >= 8 and list(examples(events))
    assert (tmp_path / "style.png").stat().st_size > 5000


def test_families_are_asked_what_they_can_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    data = tmp_path / "data"
    (data / "tinyshakespeare").mkdir(parents=True)
    (data / "trec_qc").mkdir()
    plays = next((data_dir / "tinyshakespeare").rglob("*.txt")).read_text("utf-8")
    (data / "tinyshakespeare" / "input.txt").write_text(plays[:60_000])
    for name in ("train", "test"):
        lines = (data_dir / "trec_qc" / f"{name}.txt").read_bytes().splitlines()[:60]
        (data / "trec_qc" / f"{name}.txt").write_bytes(b"\n".join(lines))
    pairs = read_tatoeba()[60_000:61_500]
    changes = dict(DATA=data, FAMILIES=("gpt2", "bert"), SENTENCES=8, LINES=3, WRITTEN=6, LABELS=30, SEEDS=1)
    for name, value in changes.items():
        monkeypatch.setattr(architectures, name, value)
    monkeypatch.setattr(architectures, "read_tatoeba", lambda: pairs)
    monkeypatch.setattr("fragua.learning.transfer.FEW_STEPS", 10)
    told = architectures.main(0.5, tmp_path / "run", 16, 20, tmp_path / "tree.png")
    table = told["table"]
    assert list(table) == ["gpt2", "bert"] and "does not write" in table["bert"]["translation"]["refused"]
    assert {"es", "en"} <= table["gpt2"]["translation"].keys()
    sizes = [row["parameters"] for row in table.values()]
    assert max(sizes) < 1.25 * min(sizes)
    assert all(0 <= row["classification"]["accuracy"] <= 1 for row in table.values())
    assert 0 < told["held_out_known_pairs"] < 1 and (tmp_path / "tree.png").stat().st_size > 9000
    made = (tmp_path / "run" / "gpt2" / "base" / "model.safetensors").stat().st_mtime_ns
    assert architectures.main(0.5, tmp_path / "run", 16, 20, tmp_path / "tree.png")["table"] == table
    assert (tmp_path / "run" / "gpt2" / "base" / "model.safetensors").stat().st_mtime_ns == made
    assert read_json(tmp_path / "run" / "gpt2" / "row.json") == table["gpt2"]
