"""The program, compiled once, and the tiny model as parameters of every type."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fragua.inference.export import run
from fragua.inference.export.convert import export_model

SOURCE = Path(run.__file__).with_name("run.c")
Program = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="session")
def compiler() -> str:
    found = shutil.which("cc")
    if found is None:
        pytest.skip("no C compiler")
    return found


@pytest.fixture(scope="session")
def program(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """program(*arguments, text=b"") runs `run.c`, compiled without a warning."""
    binary = tmp_path_factory.mktemp("program") / "run"
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(
        [compiler, "-O3", "-march=native", "-fopenmp", *warnings, str(SOURCE), "-lm", "-o", str(binary)],
        check=True,
    )

    def start(*arguments: object, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([binary, *map(str, arguments)], input=text, capture_output=True, timeout=60)

    return start


@pytest.fixture(scope="session")
def parameters(tiny_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By type, the tiny model's `parameters.bin`."""
    out = tmp_path_factory.mktemp("parameters")
    for dtype in ("float32", "int8", "int4"):
        export_model(tiny_dir, "two-files", out / dtype, dtype)
    return {dtype: out / dtype / "parameters.bin" for dtype in ("float32", "int8", "int4")}


@pytest.fixture(scope="session")
def long_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with room for 200 tokens of answer."""
    from tests.tiny_model import write_tiny

    return write_tiny(tmp_path_factory.mktemp("long"), context=256, seed=5)
