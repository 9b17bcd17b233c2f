"""What a person would lose: hours of finished work done again, or stale work taken for fresh."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fragua.corpus.staging import Staging
from fragua.errors import InputError, RunError
from fragua.recipes import run as run_module
from fragua.recipes.ledger import Entry, Ledger
from fragua.recipes.lock import only_run
from fragua.recipes.recipe import load_recipe
from fragua.recipes.stage import Stage
from fragua.recipes.stages import stages_of

from .conftest import Quiet, ThreeStages

Lives = Callable[..., tuple[Ledger, Quiet]]
NAMES = ("letters", "words", "page")


def test_a_finished_run_is_skipped_whole_and_left_untouched(
    lives: Lives, three: ThreeStages, tmp_path: Path
) -> None:
    recipe = load_recipe("smoke")
    _, first = lives(recipe, tmp_path / "out", three.stages)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.txt")}
    _, second = lives(recipe, tmp_path / "out", three.stages)
    assert first.told == [(what, name) for name in NAMES for what in ("began", "ended")]
    assert second.told == [("skipped", name) for name in NAMES]
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.txt")}


def test_a_changed_setting_redoes_what_hangs_on_it(lives: Lives, three: ThreeStages, tmp_path: Path) -> None:
    recipe = load_recipe("smoke")
    lives(recipe, tmp_path / "out", three.stages)
    three.letters = "abcd"
    _, quiet = lives(recipe, tmp_path / "out", three.stages)
    assert ("skipped", "letters") not in quiet.told
    assert ("began", "words") in quiet.told and ("began", "page") in quiet.told
    assert (tmp_path / "out" / "page.txt").read_text() == "ABCDABCD"


def test_equal_outputs_stop_the_redoing(lives: Lives, three: ThreeStages, tmp_path: Path) -> None:
    recipe, out = load_recipe("smoke"), tmp_path / "out"
    lives(recipe, out, three.stages)
    (out / "letters" / "all.txt").unlink()  # done again, byte for byte the same
    _, quiet = lives(recipe, out, three.stages)
    assert quiet.told == [
        ("began", "letters"),
        ("ended", "letters"),
        ("skipped", "words"),
        ("skipped", "page"),
    ]


def test_a_damaged_output_is_made_again(lives: Lives, three: ThreeStages, tmp_path: Path) -> None:
    recipe, out = load_recipe("smoke"), tmp_path / "out"
    lives(recipe, out, three.stages)
    (out / "words" / "all.txt").write_text("abcab")
    _, quiet = lives(recipe, out, three.stages)
    assert quiet.told[:3] == [("skipped", "letters"), ("began", "words"), ("ended", "words")]
    assert (out / "words" / "all.txt").read_text() == "abcabc"


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), RunError("no space left")])
def test_a_stopped_stage_goes_on_from_its_own_files(
    lives: Lives, three: ThreeStages, tmp_path: Path, stop: BaseException
) -> None:
    recipe, out = load_recipe("smoke"), tmp_path / "out"
    three.fail_in = ("words", stop)
    with pytest.raises(type(stop)):
        lives(recipe, out, three.stages)
    three.fail_in = None
    ledger, quiet = lives(recipe, out, three.stages)
    assert quiet.told[:2] == [("skipped", "letters"), ("resumed", "words")]
    assert ledger.entries["words"].figures["went_on"] is True


def test_a_stopped_stage_with_other_inputs_starts_afresh(
    lives: Lives, three: ThreeStages, tmp_path: Path
) -> None:
    recipe, out = load_recipe("smoke"), tmp_path / "out"
    three.fail_in = ("words", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        lives(recipe, out, three.stages)
    three.fail_in, three.letters = None, "xyz"
    ledger, quiet = lives(recipe, out, three.stages)
    assert ("began", "words") in quiet.told
    assert ledger.entries["words"].figures["went_on"] is False


def test_a_stage_that_leaves_nothing_behind_is_an_error(lives: Lives, tmp_path: Path) -> None:
    lazy = Stage("lazy", lambda life: None, lambda life: {}, ("lazy.txt",), ())
    with pytest.raises(RunError, match=r"ended without lazy\.txt"):
        lives(load_recipe("smoke"), tmp_path / "out", (lazy,))


def test_the_plan_is_settled_once_and_again_for_another_recipe(
    lives: Lives, three: ThreeStages, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    lives(load_recipe("smoke"), out, three.stages)
    plan = (out / "plan.json").read_bytes()
    lives(load_recipe("smoke"), out, three.stages)
    assert (out / "plan.json").read_bytes() == plan
    lives(load_recipe("smoke", depth=3), out, three.stages)
    assert json.loads((out / "plan.json").read_text())["plan"]["depth"] == 3


def test_a_folder_of_something_else_is_never_touched(
    lives: Lives, three: ThreeStages, tmp_path: Path
) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds files of something else \('corpus'\)"):
        lives(load_recipe("smoke"), tmp_path, three.stages)
    assert (tmp_path / "corpus" / "mine.txt").read_text() == "mine"


def test_a_broken_record_says_where(lives: Lives, three: ThreeStages, tmp_path: Path) -> None:
    for text, told in (
        ("{", "run.json:1"),
        ("[]", "not the record of a run"),
        ('{"stages": 3}', "not the record"),
    ):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(InputError, match=told):
            lives(load_recipe("smoke"), tmp_path, three.stages)


def test_two_runs_never_share_a_folder(lives: Lives, three: ThreeStages, tmp_path: Path) -> None:
    with only_run(tmp_path), pytest.raises(InputError, match="another run is at work here"):
        lives(load_recipe("smoke"), tmp_path, three.stages)
    lives(load_recipe("smoke"), tmp_path, three.stages)


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom fragua.recipes.lock import only_run\n"
        "with only_run(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(InputError), only_run(tmp_path):
        pass
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    deadline = time.monotonic() + 5
    while True:
        try:
            with only_run(tmp_path):
                return
        except InputError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_page_that_cannot_be_written_is_said_once_and_stops_nothing(
    three: ThreeStages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("no such column")

    monkeypatch.setattr("fragua.recipes.report.page.write_report", broken)
    monkeypatch.setattr(run_module, "PAGE_INTERVAL_S", 0.0)
    ledger, quiet = Ledger(tmp_path, {}), Quiet()
    scribe = run_module.Scribe(quiet, ledger, "en")
    for stage in three.stages:
        ledger.put(Entry(name=stage.name, status="running", inputs="x"))
        scribe.began(stage, resumed=False)
        scribe.step({"step": 1})
    assert quiet.told == [("began", name) for name in NAMES]
    told = " ".join(capsys.readouterr().err.split())
    assert told.count("ValueError: no such column") == 1 and "the work goes on" in told


def test_other_settings_are_told_only_where_something_is_finished(tmp_path: Path) -> None:
    old, new = (load_recipe("smoke", seed=seed).model_dump(mode="json") for seed in (0, 3))
    ledger = Ledger(tmp_path, {"settings": old})
    ledger.put(Entry(name="words", status="running", inputs="x"))
    assert ledger.differences(new) == []
    ledger.put(Entry(name="words", status="done", inputs="x"))
    assert ledger.differences(new) == ["seed = 0, not 3"] and ledger.differences(old) == []


def test_seconds_add_up_over_resumed_attempts(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    ledger.put(Entry(name="words", status="running", seconds=12.5, inputs="x"))
    assert Ledger.open(tmp_path).entries["words"].seconds == 12.5


def test_a_corpus_that_was_stopped_goes_on_where_it_was(
    lives: Lives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had been read is not read again, and the texts are those of an undisturbed run."""
    (tmp_path / "in").mkdir()
    for number in range(20):
        (tmp_path / "in" / f"{number:02}.txt").write_text(
            f"En el lugar {number} vivía un herrero de mano firme."
        )
    told, add = f'corpus.sources=["{tmp_path / "in"}"]', Staging.add
    for settings in (["corpus.aldea=false", told], [told, "corpus.megabytes=0.2", "corpus.conversations=20"]):
        recipe, name = load_recipe("smoke", settings), f"{len(settings)}"
        corpus = stages_of(recipe)[:1]
        lives(recipe, tmp_path / name / "whole", corpus)
        kept: list[str] = []

        def falling(self: Staging, row: dict[str, str], kept: list[str] = kept, most: int = 12) -> None:
            if len(kept) == most:
                raise KeyboardInterrupt
            kept.append(row["text"])
            add(self, row)

        with monkeypatch.context() as patch:
            patch.setattr(Staging, "add", falling)
            patch.setattr("fragua.corpus.staging.COMMIT_INTERVAL_S", 0.0)
            with pytest.raises(KeyboardInterrupt):
                lives(recipe, tmp_path / name / "cut", corpus)
            patch.setattr(Staging, "add", lambda self, row: falling(self, row, most=99))
            _, quiet = lives(recipe, tmp_path / name / "cut", corpus)
        assert quiet.told == [("resumed", "corpus"), ("ended", "corpus")]
        assert len(kept) == 20, "each text was staged once"
        whole, cut = (tmp_path / name / which / "corpus" for which in ("whole", "cut"))
        for file in whole.rglob("*.jsonl"):
            assert file.read_bytes() == (cut / file.relative_to(whole)).read_bytes()
        assert {path.name for path in whole.iterdir()} == {path.name for path in cut.iterdir()}
