"""What does each stage teach, and does the exam hold against tricks?

For each seed a whole life in a world of its own: the exam of the base model with four examples, of the assistant, and
of the same conversations learned from fresh weights, without any text, before them or between; beside them the best
constant answer, the echo, and a copy of the most similar conversation. At last the assistant sits the exam of a world
it has never read about: its abilities should hold there, the facts cannot. What is finished is not done again; a
started life goes on.

    taskset -c 0 python benchmarks/exam.py --seeds 12 13 14 --minutes 26 --items 1500      # on one core
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from fragua.files import read_json, write_json

RESULT = Path(__file__).parent / "results" / "exam.json"
OTHER_WORLD = 1_000_000
"""Added to a seed it gives the world that the model has not read about."""
FLOORS = {"assistant": 0.70, "assistant_family": 0.40, "arithmetic": 0.90, "facts_over_no_pretraining": 0.15}
CEILINGS = {"neighbour": 0.30, "constant_family": 0.10, "echo_family": 0.10, "between_seeds": 0.03}
SAME = ("epochs", "conversations", "batch_tokens", "learning_rate", "seed", "precision", "compile")
"""What the assistant that was never pretrained shares with the other, of fine-tuning's settings."""
KEPT = ("accuracy", "by_kind", "by_language", "by_family", "by_family_and_language")

Exam = dict[str, Any]


def main(
    seeds: tuple[int, ...] = (12, 13, 14),
    minutes: float | None = None,
    recipe: str = "laptop",
    items: int = 600,
    runs: Path = Path("runs/exam"),
) -> dict[str, Any]:
    """Runs what is missing; returns each seed's exams, the means over the seeds, and the bounds that hold or not."""
    lives = {}
    for seed in seeds:
        lives[str(seed)] = life(seed, minutes, recipe, items, runs / f"seed-{seed}")
        print(
            f"seed {seed}: "
            + ", ".join(f"{k} {v['accuracy']['value']:.1%}" for k, v in lives[str(seed)].items())
        )
    names = list(next(iter(lives.values())))
    means = {name: _mean([exams[name] for exams in lives.values()]) for name in names}
    return {
        "recipe": recipe,
        "minutes": minutes,
        "items": items,
        "seeds": lives,
        "means": means,
        "bounds": bounds(means, len(lives)),
    }


def life(seed: int, minutes: float | None, recipe: str, items: int, out: Path) -> dict[str, Exam]:
    """Lives, or goes on, in `out`; every exam by name."""
    dial = [] if minutes is None else ["--minutes", str(minutes)]
    world = ["--seed", str(seed), "--set", f"corpus.seed={seed}", "--set", f"exam.items={items}"]
    _fragua("run", recipe, *dial, *world, "--out", str(out / "life"), "--no-chat")
    corpus = out / "life" / "corpus"
    assistant = read_json(out / "life" / "exam" / "assistant.json")
    fresh = unlearned(out, seed)
    found = {
        "base": read_json(out / "life" / "exam" / "base.json"),
        "assistant": assistant,
        "no_pretraining": _exam(out / "no_pretraining.json", fresh, "--data", str(corpus / "exam.jsonl")),
        "other_world": _exam(
            out / "other_world.json",
            out / "life" / "assistant",
            *("--world", str(seed + OTHER_WORLD), "--items", str(items)),
        ),
        **assistant["controls"],
    }
    return {name: {key: exam[key] for key in KEPT} for name, exam in found.items()}


def unlearned(out: Path, seed: int) -> Path:
    """The assistant that was never pretrained: fresh weights of the same shape, fine-tuned just as the other."""
    from fragua.models import Decoder, initialise, save_model
    from fragua.models.io import read_config
    from fragua.tokens.tokenizer import Tokenizer

    base, start, made = out / "life" / "base", out / "fresh", out / "no_pretraining"
    if not (start / "model.safetensors").is_file():
        model = Decoder(read_config(base))
        initialise(model, seed)
        Tokenizer.load(base).save(start)
        save_model(model, start)
    learned = read_json(out / "life" / "assistant" / "fragua.json")["settings"]
    options: list[str] = []
    for key in SAME:
        if learned[key] is not None:
            options += [f"--{key.replace('_', '-')}", str(learned[key])]
    data = ["--data", str(out / "life" / "corpus" / "conversations.jsonl")]
    _fragua("finetune", str(start), *data, "--out", str(made), *options)
    return made


def bounds(means: dict[str, Exam], seeds: int) -> dict[str, bool]:
    """What the exam promises: enough for whoever has learned, little for whoever has not, and about the same in
    every world, of which three are needed to tell."""
    families = {
        name: {family: part["value"] for family, part in exam["by_family"].items()}
        for name, exam in means.items()
    }
    overall = {name: exam["accuracy"]["value"] for name, exam in means.items()}
    learned, mean = families["assistant"], means["assistant"]["accuracy"]
    apart = max(mean["high"] - mean["value"], mean["value"] - mean["low"])
    gain = learned["facts"] - families["no_pretraining"]["facts"]
    return {
        "assistant": overall["assistant"] >= FLOORS["assistant"],
        "assistant_family": min(learned.values()) >= FLOORS["assistant_family"],
        "arithmetic": learned["arithmetic"] >= FLOORS["arithmetic"],
        "facts_over_no_pretraining": gain >= FLOORS["facts_over_no_pretraining"],
        "between_seeds": seeds >= 3 and apart <= CEILINGS["between_seeds"],
        "neighbour": overall["neighbour"] < CEILINGS["neighbour"],
        "constant_family": max(families["constant"].values()) <= CEILINGS["constant_family"],
        "echo_family": max(families["echo"].values()) <= CEILINGS["echo_family"],
    }


def _mean(exams: list[Exam]) -> Exam:
    """The mean of each share over the seeds, and the lowest and highest of them."""

    def over(parts: list[Any]) -> Any:
        if "value" in parts[0]:
            values = [part["value"] for part in parts]
            return {"value": statistics.mean(values), "low": min(values), "high": max(values)}
        return {key: over([part[key] for part in parts if key in part]) for key in parts[0]}

    return {key: over([exam[key] for exam in exams]) for key in KEPT}


def _exam(kept: Path, model: Path, *options: str) -> Exam:
    if not kept.is_file():
        write_json(kept, json.loads(_fragua("evaluate", str(model), "--task", "exam", *options, "--json")))
    return read_json(kept)


def _fragua(*arguments: str) -> str:
    command = [sys.executable, "-m", "fragua.cli.main", *arguments]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    from fragua.training.machine import write_result

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[12, 13, 14])
    parser.add_argument("--minutes", type=float, help="time of each life; by default the recipe's")
    parser.add_argument("--recipe", default="laptop")
    parser.add_argument("--items", type=int, default=600)
    parser.add_argument("--runs", type=Path, default=Path("runs/exam"), help="where the lives are kept")
    parser.add_argument("--out", type=Path, default=RESULT)
    told = parser.parse_args()
    figures = main(tuple(told.seeds), told.minutes, told.recipe, told.items, told.runs)
    write_result("exam", told.out, figures)
    print(json.dumps(figures["bounds"]))
