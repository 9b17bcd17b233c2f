"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fragua.inference.language_model import LanguageModel

ROOT = Path(__file__).resolve().parent.parent


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
