"""What a person would lose: the first page's promise. A whole life, really lived, stopped, gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import SmokeRun

STAGES = ["corpus", "tokenizer", "pretrain", "exam_base", "finetune", "exam", "align", "talk", "report"]
FRAGUA = [sys.executable, "-m", "fragua.cli.main"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
TINY = [
    *("--set", "corpus.megabytes=0.2", "--set", "corpus.conversations=40", "--set", "exam.items=9"),
    *(
        "--set",
        "pretrain.tokens=24_576",
        "--set",
        "pretrain.batch_tokens=2048",
        "--set",
        "tokenizer.vocab_size=512",
    ),
]


def fragua(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FRAGUA, *arguments], capture_output=True, text=True, env=ENVIRONMENT, timeout=300)


def test_a_life_leaves_everything_that_was_promised(smoke_run: SmokeRun) -> None:
    assert [stage["name"] for stage in smoke_run.told["stages"]] == STAGES
    assert {stage["status"] for stage in smoke_run.told["stages"]} == {"done"}
    record = json.loads((smoke_run.out / "run.json").read_text())
    assert record["recipe"] == "smoke" and record["machine"]["cores"] >= 1
    for path in (
        "corpus/train.jsonl",
        "corpus/graph.json",
        "corpus/README.md",
        "base/README.md",
        "assistant/README.md",
        "tokenizer/tokenizer.json",
        "base/model.safetensors",
        "base/metrics.jsonl",
        "base/samples.jsonl",
        "assistant/model.safetensors",
        "assistant/fragua.json",
        "exam/base.json",
        "exam/assistant.json",
        "talk/conversation.json",
        "talk/strangers.json",
        "report/index.html",
        "report/learning.png",
        "report/exam.png",
    ):
        assert (smoke_run.out / path).stat().st_size > 0, path


def test_it_learns_and_speaks_both_languages_on_the_way(smoke_run: SmokeRun) -> None:
    rows = [json.loads(line) for line in (smoke_run.out / "base" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["bits_per_byte"] < 0.6 * rows[0]["bits_per_byte"]
    samples = [
        json.loads(line) for line in (smoke_run.out / "base" / "samples.jsonl").read_text().splitlines()
    ]
    assert {sample["lang"] for sample in samples} == {"es", "en"}
    assert samples[0]["step"] <= rows[-1]["steps"] / 4


@pytest.mark.parametrize("model", ["base", "assistant"])
def test_transformers_opens_what_a_life_made(smoke_run: SmokeRun, model: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    import fragua as package

    text = "La capital de Francia es París."
    tokenizer = AutoTokenizer.from_pretrained(smoke_run.out / model)
    ids = tokenizer(text)["input_ids"]
    theirs = AutoModelForCausalLM.from_pretrained(smoke_run.out / model, dtype=torch.float32).eval()
    ours = package.load(str(smoke_run.out / model))
    assert ours.tokenizer.encode(text) == ids
    with torch.no_grad():
        x = torch.tensor([ids])
        assert (theirs(x).logits - ours.model(x).logits).abs().max() < 1e-4


def test_the_same_command_again_skips_all(smoke_run: SmokeRun) -> None:
    before = {path: path.stat().st_mtime_ns for path in smoke_run.out.rglob("*.safetensors")}
    started = time.monotonic()
    again = fragua("run", "smoke", "--out", str(smoke_run.out), "--lang", "en")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("already done") == len(STAGES)
    assert time.monotonic() - started < 30
    assert before == {path: path.stat().st_mtime_ns for path in smoke_run.out.rglob("*.safetensors")}
    assert "Questions to try" in again.stdout


def test_other_settings_never_redo_a_finished_life_unasked(smoke_run: SmokeRun) -> None:
    before = {path: path.stat().st_mtime_ns for path in smoke_run.out.rglob("*") if path.is_file()}
    refused = fragua("run", "smoke", "--out", str(smoke_run.out), "--set", "seed=3")
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "holds a life with seed = 0, not 3; --fresh does it again" in refused.stderr
    assert before == {path: path.stat().st_mtime_ns for path in smoke_run.out.rglob("*") if path.is_file()}
    in_spanish = fragua("run", "smoke", "--out", str(smoke_run.out), "--lang", "es")
    assert in_spanish.returncode == 0 and in_spanish.stderr.count("ya estaba hecho") == len(STAGES) - 1


def test_standard_output_is_one_json_object(smoke_run: SmokeRun) -> None:
    again = fragua("run", "smoke", "--out", str(smoke_run.out), "--json")
    assert json.loads(again.stdout)["out"] == str(smoke_run.out)


def test_a_plan_is_printed_before_anything_starts(tmp_path: Path) -> None:
    done = subprocess.run(
        [*FRAGUA, "plan", "smoke", "--json"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd=tmp_path,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["plan"]["depth"] == 2 and told["plan"]["estimates"]["memory_bytes"] > 1e8
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_again_and_again_the_same_command_goes_on_to_the_end(tmp_path: Path) -> None:
    out = tmp_path / "life"
    command = ["run", "smoke", "--out", str(out), "--no-chat", "--lang", "en", *TINY]
    for stage in ("tokenizer", "pretrain", "finetune"):
        child = subprocess.Popen(
            [*FRAGUA, *command], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait_for(out, stage, child)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert _status(out, stage) == "running"
    done = fragua(*command)
    assert done.returncode == 0, done.stderr
    assert [line.split(" · ")[0] for line in done.stderr.splitlines() if "already done" in line] == [
        "✓ corpus",
        "✓ tokenizer",
        "✓ pretraining",
        "✓ first exam",
    ]
    assert {entry["status"] for entry in json.loads((out / "run.json").read_text())["stages"]} == {"done"}


def _status(out: Path, stage: str) -> str | None:
    record = out / "run.json"
    entries = json.loads(record.read_text())["stages"] if record.is_file() else []
    return next((entry["status"] for entry in entries if entry["name"] == stage), None)


def _wait_for(out: Path, stage: str, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while _status(out, stage) != "running":
        assert child.poll() is None, f"it ended before '{stage}' began"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_own_documents_make_a_life_with_an_exam_of_two_parts(tmp_path: Path) -> None:
    """A folder in both languages; the report tells what was learned by heart and what from the passage."""
    for lang, sentence in (
        ("es", "El molino número {} de la comarca de Lugo fue construido en {} por la familia Prado."),
        ("en", "The mill number {} of the county of Kent was built in {} by the family Meadow."),
    ):
        (tmp_path / "docs" / lang).mkdir(parents=True)
        for part in range(12):
            numbers = range(10 * part, 10 * part + 10)
            told = " ".join(sentence.format(n, 1300 + 7 * n) for n in numbers)
            (tmp_path / "docs" / lang / f"molinos_{part}.txt").write_text(told, encoding="utf-8")
    out, sources = tmp_path / "own", json.dumps([str(tmp_path / "docs")])
    tiny = [*TINY[:-6], "--set", "exam.items=60", *TINY[-6:], "--set", f"corpus.sources={sources}"]
    done = fragua("run", "smoke", *tiny, "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    exam = json.loads(done.stdout)["exams"]["exam"]
    assert exam["by_part"]["documents"]["n"] > 20 and exam["by_part"]["abilities"]["n"] > 20
    assert {"documents", "aldea"} == set(
        json.loads((out / "exam" / "base.json").read_text())["bits_per_byte"]
    )
    corpus = json.loads((out / "corpus" / "corpus.json").read_text())
    assert corpus["details"]["own"]["translations"] > 30
    page = (out / "report" / "index.html").read_text()
    assert "Sus documentos" in page and "documentos: completar de memoria" in page
    card = (out / "assistant" / "README.md").read_text()
    assert "of the exam, about the documents" in card and "del examen, sobre los documentos" in card
    again = fragua("run", "smoke", *tiny, "--out", str(out), "--json")
    assert again.returncode == 0 and again.stderr.count("already done") == len(STAGES)
