"""`fragua bench NAME`: a program of `benchmarks/`: its ratios printed, its JSON written with the machine beside it."""

import contextlib
import importlib
import json as json_module
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

import fragua
from fragua.errors import InputError


def bench(
    name: Annotated[str, typer.Argument(help="A program of benchmarks/, for example: pretrain")],
    out: Annotated[
        Path | None, typer.Option(help="JSON file to write; default benchmarks/results/NAME.json.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Measure against a peer, side by side, in one run."""
    from fragua.training.machine import write_result

    folder = _folder()
    program = _load(folder, name)
    with contextlib.redirect_stdout(sys.stderr):
        measured = program.main()
    path = out or folder / "results" / f"{name}.json"
    figures = write_result(name, path, measured)
    if json:
        print(json_module.dumps(figures, ensure_ascii=False))
        return
    for ratio, value in figures.get("ratios", {}).items():
        low, high = figures["ratio_spread"][ratio]
        print(f"{ratio}: {value:.2f} ({low:.2f} to {high:.2f})")
    for runner, share in figures.get("peak_share", {}).items():
        print(f"{runner}: {share:.0%} of the measured matrix peak")
    print(f"written: {path}")


def _folder() -> Path:
    """The benchmarks of the source checkout: of the folder one stands in, or of the one this package runs from."""
    for root in (Path.cwd(), Path(fragua.__file__).resolve().parents[2]):
        if (root / "benchmarks" / "pretrain.py").is_file():
            return root / "benchmarks"
    raise InputError("no benchmarks/ here", Path.cwd(), "run it inside a checkout of the source")


def _load(folder: Path, name: str) -> ModuleType:
    known = sorted(file.stem for file in folder.glob("*.py") if "\ndef main(" in file.read_text("utf-8"))
    if name not in known:
        raise InputError(f"no benchmark '{name}'", folder, f"known: {', '.join(known)}")
    sys.path.insert(0, str(folder.parent))  # one may use what another measures with
    return importlib.import_module(f"benchmarks.{name}")
