"""Compilation: the same losses where there is a compiler, a clear word and a whole run where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from fragua.files import read_json, read_jsonl
from fragua.training.machine import compiler
from tests.training.test_resume import start


def losses(out: Path) -> list[float]:
    return [row["loss"] for _, row in read_jsonl(out / "metrics.jsonl")]


@pytest.mark.skipif(compiler() is None, reason="torch.compile needs a C++ compiler")
def test_compiled_blocks_learn_as_eager_ones_do(tiny: Path, tmp_path: Path) -> None:
    for name in ("on", "off"):
        process = start(tiny, tmp_path / name, compile=name)
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error.decode()
    assert read_json(tmp_path / "on" / "fragua.json")["figures"]["compiled"] is True
    assert losses(tmp_path / "on") == pytest.approx(losses(tmp_path / "off"), abs=1e-3)


def test_a_compiler_that_fails_is_told_and_training_goes_on(tiny: Path, tmp_path: Path) -> None:
    broken = {"CXX": "/bin/false", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    process = start(tiny, tmp_path / "m", broken, compile="on")
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error.decode()
    assert b"training without it" in error
    assert read_json(tmp_path / "m" / "fragua.json")["figures"]["compiled"] is False
    assert len(losses(tmp_path / "m")) == 12
