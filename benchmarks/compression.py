"""How well is a book learned, beside compressors that saw the same bytes?

The recipe's corpus is built, so that all see the same text: the first nine tenths of each source to learn from, the
last tenth to measure on. A compressor's bits are size(learned + held out) - size(learned); the n-gram and the model
are trained on the learned text alone. The model is the recipe's, lived here if `run` holds no finished one; a started
life goes on.

    fragua bench compression
    python benchmarks/compression.py --recipe quijote --run runs/quijote [--without-model]
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyppmd

from fragua.corpus.build import build_corpus
from fragua.errors import RunError
from fragua.files import read_json, read_jsonl
from fragua.recipes.recipe import Recipe, load_recipe
from fragua.recipes.report.data import read_rows
from fragua.recipes.work import texts_of
from fragua.training.machine import write_result

RESULTS = Path(__file__).parent / "results"
PPMD_MEMORY = 1 << 30
ORDER = 5
NEAR_BITS = 0.05
"""Lines of a picture that are nearer than this share a label."""


class NGram:
    """Bytes given those before them: interpolated modified Kneser-Ney (Chen and Goodman 1999, section 4.1)."""

    def __init__(self, learned: bytes, order: int = ORDER):
        """`order`: the byte and the order - 1 before it; 7 at most, so that a gram fits 64 bits."""
        self.order = order
        grams = [np.unique(_grams(learned, n), return_counts=True) for n in range(1, order + 1)]
        self.levels = []
        for n in range(1, order + 1):
            keys, counts = grams[n - 1]
            if n < order:  # in how many different bytes' company a gram is seen
                suffixes = grams[n][0] % 256**n
                keys, counts = np.unique(suffixes, return_counts=True)
            self.levels.append(_Level(keys, counts.astype(np.float64)))

    def probabilities(self, text: bytes) -> np.ndarray:
        """float64 [len(text)]: of each byte, given those before it in `text`."""
        p = np.full(len(text), 1 / 256)
        for n, level in enumerate(self.levels, 1):
            p[n - 1 :] = level.mixed(_grams(text, n), p[n - 1 :])
        return p


class _Level:
    """The grams of one length: discounted shares, and what is left to the shorter context."""

    def __init__(self, keys: np.ndarray, counts: np.ndarray):
        n1, n2, n3, n4 = (max(1, int((counts == c).sum())) for c in range(1, 5))
        y = n1 / (n1 + 2 * n2)
        discounts = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]).clip(0, None)
        lost = np.minimum(discounts[np.minimum(counts, 3).astype(int)], counts)
        self.keys, self.kept = keys, counts - lost
        self.contexts, place = np.unique(keys // 256, return_inverse=True)
        self.totals = np.bincount(place, counts)
        self.rest = np.bincount(place, lost) / self.totals

    def mixed(self, grams: np.ndarray, shorter: np.ndarray) -> np.ndarray:
        at, known = _find(self.contexts, grams // 256)
        gram, seen = _find(self.keys, grams)
        own = np.where(seen, self.kept[gram], 0.0) / self.totals[at] + self.rest[at] * shorter
        return np.where(known, own, shorter)


def _find(keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each stands in the sorted keys, and whether it does."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return at, keys[at] == wanted


def _grams(text: bytes, n: int) -> np.ndarray:
    """int64 [len(text) - n + 1]: each run of n bytes as one number, the last byte lowest."""
    data = np.frombuffer(text, np.uint8).astype(np.int64)
    return sum(data[i : len(data) - n + 1 + i] << 8 * (n - 1 - i) for i in range(n))  # type: ignore[return-value]


def ngram_bits(learned: bytes, held_out: bytes, order: int = ORDER) -> float:
    before = learned[-(order - 1) :] if order > 1 else b""
    p = NGram(learned, order).probabilities(before + held_out)[len(before) :]
    return float(-np.log2(p).sum())


def command(*words: str) -> Callable[[bytes], int]:
    """Size in bytes of what a program makes of its standard input. Raises RunError where it is missing."""

    def size(data: bytes) -> int:
        if not shutil.which(words[0]):
            raise RunError(f"no {words[0]} here", mend=f"install the system's package of {words[0]}")
        return len(subprocess.run(words, input=data, capture_output=True, check=True).stdout)

    return size


def ppmd(order: int, variant: str) -> Callable[[bytes], int]:
    return lambda data: len(pyppmd.compress(data, max_order=order, mem_size=PPMD_MEMORY, variant=variant))


COMPRESSORS: dict[str, Callable[[bytes], int]] = {
    "xz -9e": command("xz", "-9e", "-c"),
    "zstd --ultra -22 --long": command("zstd", "--ultra", "-22", "--long", "-q", "-c"),
    "PPMd7 order 10": ppmd(10, "H"),
    "PPMd8 order 10": ppmd(10, "I"),
}


def texts(recipe: Recipe) -> tuple[bytes, bytes]:
    """The recipe's learned and held-out text, as its first stage writes them."""
    with tempfile.TemporaryDirectory() as folder:
        build_corpus(recipe.corpus.sources, folder, texts_of(recipe))
        learned, held_out = (
            "".join(row["text"] for _, row in read_jsonl(Path(folder) / f"{name}.jsonl")).encode()
            for name in ("train", "validation")
        )
    return learned, held_out


def peers(learned: bytes, held_out: bytes) -> dict[str, float]:
    """Bits a held-out byte of every compressor and of the n-gram."""
    found = {}
    for name, size in COMPRESSORS.items():
        found[name] = 8 * (size(learned + held_out) - size(learned)) / len(held_out)
        print(f"{name}: {found[name]:.3f} bits a byte")
    name = f"{ORDER}-gram"
    found[name] = ngram_bits(learned, held_out) / len(held_out)
    print(f"{name}: {found[name]:.3f} bits a byte")
    return found


def model(recipe: str, settings: list[str], run: Path, held_out: bytes) -> dict[str, Any]:
    """Lives the recipe in `run`, or takes it as it is when finished; bits a byte and the curve over seconds."""
    command = [
        sys.executable,
        "-m",
        "fragua.cli.main",
        "run",
        recipe,
        "--out",
        str(run),
        "--no-chat",
        "--json",
    ]
    for setting in settings:
        command += ["--set", setting]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found, record = read_json(run / "exam" / "held_out.json"), read_json(run / "base" / "fragua.json")
    vocab_size = read_json(run / "base" / "config.json")["vocab_size"]
    first = found["documents"] * math.log2(vocab_size)  # the first token of a text has nothing before it
    bits = found["loss"] * found["tokens"] / math.log(2) + first
    curve = [
        [round(row["seconds"], 1), round(row["validation_bits_per_byte"], 4)]
        for row in read_rows(run / "base" / "metrics.jsonl")
        if row.get("validation_bits_per_byte")
    ]
    figures = {key: record["figures"][key] for key in ("parameters", "tokens", "seconds", "precision")}
    stages = read_json(run / "run.json")["stages"]
    return figures | {
        "bits_per_byte": bits / len(held_out),
        "life_s": round(sum(stage["seconds"] for stage in stages), 1),
        "curve": curve,
    }


def main(
    recipe: str = "quijote", settings: tuple[str, ...] = (), run: Path | None = None, with_model: bool = True
) -> dict[str, Any]:
    """Bits a byte of all; `ratios`: each peer's to the model's, so that above 1 the model is better."""
    loaded = load_recipe(recipe, settings)
    learned, held_out = texts(loaded)
    found = peers(learned, held_out)
    result: dict[str, Any] = {
        "recipe": loaded.name,
        "learned_bytes": len(learned),
        "held_out_bytes": len(held_out),
        "bits_per_byte": {name: round(bits, 4) for name, bits in found.items()},
    }
    if with_model:
        ours = model(recipe, list(settings), run or Path("runs") / loaded.name, held_out)
        ratios = {name: round(bits / ours["bits_per_byte"], 3) for name, bits in found.items()}
        result |= {"fragua": ours, "ratios": ratios, "ratio_spread": {k: [v, v] for k, v in ratios.items()}}
        picture(ours, found, RESULTS / f"compression.{loaded.name}.png")
    return result


def picture(ours: dict[str, Any], found: dict[str, float], path: Path) -> None:
    """The curve of the held-out text over training time, and a line for each peer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    seconds, bits = zip(*ours["curve"], strict=True)
    axes.plot(
        [s / 60 for s in seconds],
        bits,
        color="#c2410c",
        linewidth=2,
        marker="o",
        markersize=3,
        label="Fragua",
    )
    groups: list[list[str]] = []
    for name in sorted(found, key=lambda name: found[name]):
        axes.axhline(found[name], color="#64748b", linewidth=1, linestyle=":")
        if groups and found[name] - found[groups[-1][-1]] < NEAR_BITS:
            groups[-1].append(name)
        else:
            groups.append([name])
    for group in groups:
        told = " · ".join(f"{name} {found[name]:.2f}" for name in group)
        place = (1, found[group[-1]])
        axes.annotate(told, place, xycoords=("axes fraction", "data"), ha="right", va="bottom")
    axes.set(xlabel="minutes of training", ylabel="bits per byte of unseen text")
    axes.set_ylim(min(*bits, *found.values()) * 0.95, max(*bits, *found.values()) * 1.04)
    axes.legend(frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="quijote")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--without-model", action="store_true")
    given = parser.parse_args()
    figures = main(given.recipe, tuple(given.settings), given.run, not given.without_model)
    print(json.dumps(write_result("compression", RESULTS / "compression.json", figures)))
