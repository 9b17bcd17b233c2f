"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real test data: FRAGUA_TEST_DATA, by default ../shared/data beside the checkout."""
    folder = Path(os.environ.get("FRAGUA_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data: FRAGUA_TEST_DATA names a folder that is not there ({folder})")
    return folder
