"""The compiled library: made once a machine and kept on disk."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from fragua.errors import InputError
from fragua.files import make_folder
from fragua.models.native.layout import Matrix, address

SOURCES = ("kernels.h", "step.cpp")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fPIC", "-shared", "-fopenmp", "-w")
COMPILE_S = 120.0


def compiler() -> str | None:
    """The C++ compiler, or None."""
    names = [os.environ.get("CXX", ""), "g++", "clang++", "cl"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


@cache
def library() -> ctypes.CDLL | None:
    """What `step.cpp` compiles to, from the user's cache or made now (about 5 s); None where that cannot be done."""
    command = compiler()
    if command is None or Path(command).name == "cl":
        return None
    try:
        path = cache_folder() / f"native-{_digest(command)}.so"
        if not path.is_file():
            compile_library(command, path)
        return ctypes.CDLL(str(path))  # finds its threads in torch, which is loaded
    except (OSError, subprocess.SubprocessError, InputError):
        return None


def multiply(matrix: Matrix, x_ND: Tensor) -> Tensor | None:
    """x Wᵀ + bias, float32 [N, O]; None where there is no library."""
    found = library()
    if found is None:
        return None
    y_NO = torch.empty(len(x_ND), matrix.rows)
    found.fragua_product(
        ctypes.byref(matrix),
        ctypes.c_void_p(address(x_ND)),
        ctypes.c_int64(len(x_ND)),
        ctypes.c_void_p(address(y_NO)),
        ctypes.c_int64(torch.get_num_threads()),
    )
    return y_NO


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fragua"


def compile_library(command: str, path: Path) -> None:
    """Under another name first: several processes may do it at once."""
    make_folder(path.parent)
    new = path.with_suffix(f".{os.getpid()}")
    source = Path(__file__).with_name("step.cpp")
    try:
        subprocess.run(
            [command, *FLAGS, str(source), "-o", str(new)], check=True, capture_output=True, timeout=COMPILE_S
        )
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _digest(command: str) -> str:
    """Of the sources, the flags, the compiler and the processor: what was made elsewhere is not taken."""
    parts = [Path(__file__).with_name(name).read_bytes() for name in SOURCES]
    version = subprocess.run([command, "--version"], capture_output=True, timeout=COMPILE_S).stdout
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    abilities = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    parts += [" ".join((command, *FLAGS)).encode(), version, abilities.encode(), platform.machine().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:20]
