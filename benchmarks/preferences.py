"""Does learning from comparisons make answers that are liked better, and what does it cost?

An assistant's own answers are compared by Aldea's gold labeller, with its noise. From the same comparisons DPO, KTO
and fine-tuning on the chosen each make a model; DPO also learns from verdicts drawn by lot. Each then answers held-out
questions beside the assistant, and gold says without noise which answer is better, at temperature 1 and greedily; of
answers of like length apart. The exam is sat before and after. What is finished is not done again. As in a life's
own stage, fine-tuning's conversations are learned again beside what is not learned by heart (--no-replay: alone).

    python benchmarks/preferences.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from fragua.alignment.align import AlignSettings, align
from fragua.alignment.audit import Duel, answer, bootstrap, held_out_items
from fragua.alignment.gold import write_gold
from fragua.corpus.aldea.exam import exam_items
from fragua.corpus.aldea.world import build_world
from fragua.evaluation.exam import run_exam
from fragua.files import read_json, read_jsonl, write_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.training.machine import write_result

RESULT = Path(__file__).parent / "results" / "preferences.json"
METHODS = {
    "dpo": {"method": "dpo"},
    "kto": {"method": "kto"},
    "chosen_sft": {"method": "chosen"},
    "shuffled": {"method": "dpo"},
}
TEMPERATURES = (1.0, 0.0)
FLOORS = {"dpo_win_rate": 0.65, "shuffled_win_rate": (0.45, 0.55), "exam_change_points": -2.0}


def main(
    seeds: tuple[int, ...] = (0, 1, 2),
    model: Path | None = None,
    world: int = 0,
    comparisons: int = 2000,
    items: int = 1000,
    exam: int = 600,
    runs: Path = Path("runs/preferences"),
    replay: bool = True,
) -> dict[str, Any]:
    """Runs what is missing. `figures` are of all seeds' questions together, at temperature 1; `seeds` holds each."""
    model = model or assistant(world, runs)
    told = {
        seed: _seed(seed, model, world, comparisons, items, exam, runs / f"seed-{seed}", replay)
        for seed in seeds
    }
    figures: dict[str, Any] = {}
    for name in METHODS:
        for temperature in TEMPERATURES:
            ending = "" if temperature else "_greedy"
            both = [row[name][f"{temperature:g}"] for row in told.values()]
            figures[f"{name}_win_rate{ending}"] = bootstrap(np.concatenate([row["wins"] for row in both]))
            alike = [np.array(row["wins"])[np.array(row["alike"], bool)] for row in both]
            figures[f"{name}_win_rate_like_length{ending}"] = bootstrap(np.concatenate(alike))
    change = np.concatenate([row["exam_change"] for row in told.values()])
    figures["exam_change_points"] = {
        key: value if key == "n" else 100 * value for key, value in bootstrap(change).items()
    }
    by_seed = {
        str(seed): {
            name: {t: float(np.mean(row[name][t]["wins"])) for t in row[name]} for name in METHODS
        } | {"exam_change_points": 100 * float(np.mean(row["exam_change"]))}
        for seed, row in told.items()
    }  # fmt: skip
    return {
        "comparisons": comparisons,
        "questions": items,
        "replay": replay,
        "figures": figures,
        "seeds": by_seed,
        "floors": FLOORS,
    }


def assistant(world: int, runs: Path) -> Path:
    """A laptop's life, lived once."""
    out = runs / "life"
    command = ["run", "laptop", "--set", f"corpus.seed={world}", "--out", str(out), "--json"]
    subprocess.run([sys.executable, "-m", "fragua.cli.main", *command], check=True, stdout=sys.stderr)
    return out / "assistant"


def conversations(model: Path) -> Path:
    """What a life's assistant was fine-tuned on."""
    return model.parent / "corpus" / "conversations.jsonl"


def _seed(
    seed: int,
    model: Path,
    world: int,
    comparisons: int,
    items: int,
    exam: int,
    out: Path,
    replay: bool,
) -> dict[str, Any]:
    """Each method's wins and like lengths by question and temperature, and the exam's change by question."""
    result = out / "result.json"
    if result.is_file():
        return dict(read_json(result))
    before, village = LanguageModel.load(model), build_world(world)
    data = _data(before, world, comparisons, seed, out)
    sat = exam_items(village, world, exam)
    asked = held_out_items(village, 1000 + seed, items, sat)
    old = {temperature: answer(before, asked, temperature, seed) for temperature in TEMPERATURES}
    found: dict[str, Any] = {}
    for name, how in METHODS.items():
        values = {"model": model, "data": data["shuffled" if name == "shuffled" else "gold"], "seed": seed}
        values |= {"reference": out / "reference", "precision": "auto"} | how
        if replay and name != "chosen_sft":
            values["replay"] = conversations(model)
        align(AlignSettings.parse(values), out / name)
        after = LanguageModel.load(out / name)
        duels = {t: Duel.of(asked, answer(after, asked, t, seed), old[t]) for t in TEMPERATURES}
        found[name] = {
            f"{t:g}": {"wins": duel.wins().tolist(), "alike": duel.alike().tolist()}
            for t, duel in duels.items()
        }
        shown = {t: round(float(np.mean(row["wins"])), 3) for t, row in found[name].items()}
        print(f"seed {seed}, {name}: wins by temperature {shown}")
    exams = [run_exam(lm, sat)["answers"] for lm in (before, LanguageModel.load(out / "dpo"))]
    rights = [[float(row["correct"]) for row in answers] for answers in exams]
    found["exam_change"] = (np.array(rights[1]) - np.array(rights[0])).tolist()
    write_json(result, found)
    return found


def _data(lm: LanguageModel, world: int, comparisons: int, seed: int, out: Path) -> dict[str, Path]:
    """The gold comparisons, and the same with verdicts by lot."""
    paths = {name: out / f"{name}.jsonl" for name in ("gold", "shuffled")}
    if not paths["gold"].is_file():
        write_gold(lm, build_world(world), comparisons, seed, paths["gold"])
    lot = random.Random(seed)
    rows = (row for _, row in read_jsonl(paths["gold"]))
    write_jsonl(
        paths["shuffled"],
        (row | {"ranking": [lot.randrange(len(row["candidates"]))]} for row in rows),
    )
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--model", type=Path, help="an assistant; default: a laptop's life is lived first")
    parser.add_argument("--world", type=int, default=0, help="the world it has read about")
    parser.add_argument("--comparisons", type=int, default=2000)
    parser.add_argument("--items", type=int, default=1000, help="held-out questions a seed")
    parser.add_argument("--exam", type=int, default=600)
    parser.add_argument("--runs", type=Path, default=Path("runs/preferences"))
    parser.add_argument("--no-replay", dest="replay", action="store_false")
    given = vars(parser.parse_args())
    figures = main(**given | {"seeds": tuple(given["seeds"])})
    write_result("preferences", RESULT, figures)
    print(json.dumps(figures["figures"], indent=1))
