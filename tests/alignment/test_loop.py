"""The loop goes on where it stood, its rounds know where they come from, and the baselines take the best answers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fragua.alignment.best import RejectionSettings, best_of, best_of_kl, reject
from fragua.alignment.examples import Messages
from fragua.alignment.loop import LoopSettings, load_labeller, loop
from fragua.alignment.rewards import Judge, Part
from fragua.alignment.rollouts import Question
from fragua.corpus.aldea.asking import user
from fragua.errors import InputError, RunError
from fragua.files import read_json, read_jsonl, write_jsonl
from fragua.inference.language_model import LanguageModel
from tests.alignment.conftest import comparison

VOWELS = "format=[^aeiou]*"
WITH_A = "format=.*a.*"


def shortest(prompt: Messages, answers: list[str]) -> int:
    return min(range(len(answers)), key=lambda place: len(answers[place]))


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(f"Pregunta {number}" for number in range(24)))
    return path


def settings(model: Path, prompts: Path, **changes: Any) -> LoopSettings:
    values = dict(
        model=model, prompts=prompts, labeller=f"{__name__}:shortest", times=2, comparisons=8, candidates=2,
        rounds=2, rollouts=8, batch=8, epochs=1, max_tokens=6, held_out=4, items=4,
    )  # fmt: skip
    return LoopSettings.parse(values | changes)


def test_each_round_is_a_folder_with_its_lineage_and_nothing_is_done_twice(
    tiny_dir: Path, prompts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "loop"
    figures = loop(settings(tiny_dir, prompts), out)
    assert [row["round"] for row in figures["rounds"]] == [1, 2]
    first, second = (list(read_jsonl(out / f"round-{number}" / "events.jsonl")) for number in (1, 2))
    assert figures["rounds"][1]["comparisons"] == len(first) + len(second)
    answers = [row["candidates"][0]["model"] for _, row in second]
    lineage = read_json(out / "round-2" / "policy" / "fragua.json")
    assert {lineage["parents"][0]["weights"]} == set(answers), "the new policy was asked"
    assert lineage["parents"][1]["kind"] == "reward" and 0 <= figures["rounds"][1]["win_rate"]["value"] <= 1
    made = (out / "round-2" / "policy" / "model.safetensors").stat().st_mtime_ns
    assert loop(settings(tiny_dir, prompts), out) == figures
    assert (out / "round-2" / "policy" / "model.safetensors").stat().st_mtime_ns == made


def test_people_are_waited_for_and_told_what_to_do(tiny_dir: Path, prompts: Path, tmp_path: Path) -> None:
    out, given = tmp_path / "loop", settings(tiny_dir, prompts, labeller="people", times=1, comparisons=4)
    with pytest.raises(
        RunError, match=r"0 of 4 comparisons are judged; fragua align collect .* --out .*round-1"
    ):
        loop(given, out)
    write_jsonl(
        out / "round-1" / "events.jsonl", [comparison(number, "Sí.", "No, no y no.") for number in range(4)]
    )
    assert loop(given, out)["rounds"][0]["comparisons"] == 4


@pytest.mark.parametrize("name", ["nowhere:f", "math:nothing", "gold?", "math:pi"])
def test_a_labeller_that_is_none_is_told(name: str) -> None:
    with pytest.raises(InputError, match=r"no labeller|no function"):
        load_labeller(name)


def test_gold_without_a_world_is_told(tiny_dir: Path, prompts: Path) -> None:
    with pytest.raises(InputError, match="gold judges questions of a world"):
        settings(tiny_dir, prompts, labeller="gold")


def test_the_best_of_n_is_the_best_and_its_divergence_is_known(lm: LanguageModel) -> None:
    judge = Judge([Part.read(VOWELS)])
    asked = [Question((user("Hola"),))] * 30
    pairs = best_of(lm, asked, judge, 4, seed=3, max_tokens=8)
    best, worst = (judge([pair[side] for pair in pairs])[1].mean() for side in (0, 1))
    one = judge([pair[0] for pair in best_of(lm, asked, judge, 1, seed=3, max_tokens=8)])[1].mean()
    assert best > one > worst
    assert best_of_kl(1) == 0.0 and best_of_kl(4) == pytest.approx(math.log(4) - 0.75)


def test_the_divergence_of_the_best_of_n_is_what_one_counts() -> None:
    """Of 200 answers that are equally likely and of different worth: KL(best of 4 ‖ one), written out."""
    places = np.arange(1, 201) / 200
    chances = np.diff(np.concatenate([[0.0], places**4]))
    assert (chances * np.log(chances * 200)).sum() == pytest.approx(best_of_kl(4), abs=0.01)


def test_rejection_learns_the_best_answers(tiny_dir: Path, prompts: Path, tmp_path: Path) -> None:
    values = dict(model=tiny_dir, prompts=prompts, reward=(WITH_A,), rollouts=192, group=8, max_tokens=12)
    given = RejectionSettings.parse(values | dict(batch=8, epochs=4, learning_rate=3e-3))
    figures = reject(given, tmp_path / "m")
    rows = [row for _, row in read_jsonl(tmp_path / "m.best.jsonl")]
    assert figures["pairs"] == len(rows) > 0
    for row in rows:
        best, worst = (row["candidates"][place]["text"] for place in (0, 1))
        assert row["ranking"] == [0] and "a" in best and "a" not in worst
    assert reject(given, tmp_path / "m")["pairs"] == figures["pairs"]
