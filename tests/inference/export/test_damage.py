"""What a person would lose: a clear line where a file is cut or foreign, and a program that never crashes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.inference.export.conftest import SOURCE, Program

ROUNDS = 10_000


def test_ten_thousand_damaged_headers_under_the_sanitizers(
    compiler: str, parameters: dict[str, Path], tmp_path: Path
) -> None:
    binary = tmp_path / "harness"
    flags = ["-std=gnu11", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    harness = Path(__file__).with_name("harness.c")
    built = subprocess.run(
        [compiler, *flags, f'-DRUN_C="{SOURCE}"', str(harness), "-lm", "-o", str(binary)],
        capture_output=True,
        text=True,
    )
    if "cannot find -lasan" in built.stderr or "cannot find -lubsan" in built.stderr:
        pytest.skip("the compiler has no sanitizers")
    assert built.returncode == 0, built.stderr
    options = f"log_path={tmp_path / 'told'}"
    environment = {
        "ASAN_OPTIONS": f"detect_leaks=0:allocator_may_return_null=1:{options}",
        "UBSAN_OPTIONS": options,
    }
    accepted = 0
    for seed, path in enumerate(parameters.values()):
        command = [binary, path, str(ROUNDS // 3 + 1), str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        told = [file.read_text("utf-8")[:3000] for file in tmp_path.glob("told*")]
        assert done.returncode == 0, told or done.returncode
        accepted += int(done.stdout)
    assert 0.05 * ROUNDS < accepted < 0.5 * ROUNDS  # both what is refused and what is read was tested


@pytest.mark.parametrize("dtype", ["float32", "int8", "int4"])
def test_the_way_through_the_program_is_clean(
    compiler: str, parameters: dict[str, Path], tmp_path: Path, dtype: str
) -> None:
    binary = tmp_path / "run"
    flags = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wno-unknown-pragmas"]
    subprocess.run([compiler, *flags, str(SOURCE), "-lm", "-o", str(binary)], check=True)
    for arguments, text in (
        (["-p", "Había una vez", "-n", "30", "-s", "1"], b""),
        (["--chat", "-n", "20", "-s", "1"], "Hola\n\n¿Y tú?\n\xff\xfe\n".encode("latin-1") * 3),
        (["--encode"], "Íñigo 'll 12\n\n\xff\n".encode("latin-1")),
    ):
        done = subprocess.run([binary, parameters[dtype], *arguments], input=text, capture_output=True)
        assert done.returncode == 0, done.stderr


def test_cut_and_foreign_files_are_refused_with_one_line(
    program: Program, parameters: dict[str, Path], tmp_path: Path
) -> None:
    whole = parameters["int8"].read_bytes()
    broken = {
        "empty": b"",
        "short": whole[:100],
        "foreign": b"GGUF" + whole[4:],
        "newer": whole[:8] + b"\x09" + whole[9:],
        "bit": whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
        "cut": whole[: len(whole) // 2],
        "longer": whole + b"\0" * 64,
    }
    for name, data in broken.items():
        path = tmp_path / name
        path.write_bytes(data)
        done = program(path, "-p", "Hola")
        assert done.returncode == 2, name
        assert done.stdout == b""
        lines = done.stderr.decode().splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), name
        if data:
            script = [sys.executable, str(SOURCE.with_name("run.py")), str(path), "-p", "Hola"]
            done = subprocess.run(script, capture_output=True)
            assert done.returncode == 1 and done.stderr.startswith(b"error: this is not a file"), name
    assert program(tmp_path / "nowhere", "-p", "Hola").stderr.startswith(b"error: ")
    assert program(tmp_path, "-p", "Hola").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-n", "0"], b"-n needs a number from 1"),
        (["-t", "hot"], b"-t needs a number from 0 to 100"),
        (["-s"], b"-s needs a number"),
        (["--colour"], b"--colour is unknown"),
        (["-p"], b"-p is unknown, or lacks its value"),
        (["-p", "panadero " * 100], b"do not fit: the context holds 96"),
    ],
)
def test_wrong_options_are_told(
    program: Program, parameters: dict[str, Path], arguments: list[str], told: bytes
) -> None:
    done = program(parameters["float32"], *arguments)
    assert done.returncode == 2 and told in done.stderr
