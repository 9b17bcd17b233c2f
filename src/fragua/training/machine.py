"""What this machine can do, measured in a few seconds: matrix products by precision, training tokens per second."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from fragua.files import write_json
from fragua.models import Decoder, Stack, decoder_config, initialise
from fragua.models.native.library import compiler

Precision = Literal["float32", "bfloat16"]
DTYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
EMULATED_FLOPS = 5e9
"""Under this a precision is emulated instruction by instruction, as bfloat16 is on AVX2 processors."""
COMPILED_GAIN: dict[Precision, float] = {"float32": 1.15, "bfloat16": 1.35}
"""How much faster a step is with compiled blocks, the optimisers included."""


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def measure(path: str | Path = ".") -> dict[str, Any]:
    """Name, cores, memory and free disk (bytes) of this machine, its matrix peak (FLOP/s) by precision, and the
    precision that is faster here. Takes about a second."""
    peaks = matrix_peaks()
    existing = next(p for p in (Path(path).absolute(), *Path(path).absolute().parents) if p.exists())
    return {
        "processor": _processor(),
        "device": device().type,
        "cores": _cores(),
        "threads": torch.get_num_threads(),
        "memory_bytes": memory_bytes(),
        "disk_free_bytes": shutil.disk_usage(existing).free,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "compiler": compiler() is not None,
        "peak_flops": peaks,
        "precision": fastest(peaks),
    }


def write_result(name: str, path: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """What a benchmark measured, as JSON, with its name and this machine beside it. Returns all of it."""
    told = {"name": name, "machine": measure(), **figures}
    write_json(path, told)
    return told


def matrix_peaks(seconds: float = 0.5) -> dict[Precision, float]:
    """FLOP/s of large square products by precision: the fastest of several, taken in turn, so that a machine that is
    busy for a moment does not favour one of them. Measured once a process and number of threads."""
    return _peaks(seconds, device(), torch.get_num_threads())


@functools.cache
def _peaks(seconds: float, on: torch.device, threads: int) -> dict[Precision, float]:
    size = 8192 if on.type == "cuda" else 1024
    sizes: dict[Precision, int] = {name: _bearable(name, size, on) for name in DTYPES}
    inputs = {name: torch.randn(n, n, device=on).to(DTYPES[name]) for name, n in sizes.items()}
    best, start = dict.fromkeys(DTYPES, 0.0), time.perf_counter()
    rounds = 0
    while rounds < 5 or time.perf_counter() - start < seconds:
        rounds += 1
        for name, x in inputs.items():
            best[name] = max(best[name], 2 * sizes[name] ** 3 / _timed(partial(torch.matmul, x, x)))
    return best


def fastest(peaks: dict[Precision, float]) -> Precision:
    """bfloat16 only where its products are clearly faster: it costs casts."""
    return "bfloat16" if peaks["bfloat16"] > 1.2 * peaks["float32"] else "float32"


def _bearable(precision: Precision, size: int, on: torch.device) -> int:
    """`size`, or 128 where this precision is emulated and a large product would take seconds."""
    if on.type == "cuda":
        return size
    x = torch.randn(128, 128).to(DTYPES[precision])
    rate = 2 * 128**3 / min(_timed(lambda: x @ x) for _ in range(8))
    return 128 if rate < EMULATED_FLOPS else size


def throughput(
    depth: int,
    vocab_size: int,
    context: int = 256,
    *,
    precision: Precision | Literal["auto"] = "auto",
    compiled: bool = True,
    rows: int = 16,
    rounds: int = 7,
    width: int | None = None,
) -> float:
    """Training tokens per second of `decoder_config(depth)` here: the median of a few eager steps as the trainer
    does them, the optimisers included, corrected by COMPILED_GAIN where a compiler will be used."""
    from fragua.models.visibility import documents
    from fragua.training.cross_entropy import chunked_cross_entropy
    from fragua.training.optimizers import make_optimizers

    chosen: Precision = fastest(matrix_peaks()) if precision == "auto" else precision
    on = device()
    config: Stack = decoder_config(depth, vocab_size, context, width=width)
    model = Decoder(config).to(on).train()
    initialise(model, 0)
    optimizers = make_optimizers(model, "muon", 1e-3, 0.0, DTYPES[chosen])
    ids_BT = torch.randint(0, vocab_size, (rows, context), device=on)
    one_document_BT = torch.zeros_like(ids_BT)

    def step() -> None:
        with torch.autocast(on.type, DTYPES[chosen], enabled=chosen != "float32"):
            x_BTD = model.hidden(ids_BT, documents(one_document_BT))
            loss = chunked_cross_entropy(x_BTD.flatten(0, 1), model.head.weight, ids_BT.flatten())
        (loss / ids_BT.numel()).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    step()
    seconds = statistics.median(_timed(step) for _ in range(rounds))
    return rows * context / seconds * (COMPILED_GAIN[chosen] if compiled and compiler() else 1.0)


def memory_bytes() -> int:
    """Memory that may be used: the machine's, or less where a control group limits it."""
    total = 8 * 2**30
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text))
    return total


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()} ({torch.backends.cpu.get_cpu_capability()})"
    return platform.processor() or platform.machine()


def _timed(work: Callable[[], object]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
