"""What does a model gain on a new domain, and what does it forget, by each way of adapting it?

The model is the assistant of a life about one world, lived here unless `work` holds it. Two domains are new to it:
another seed's world, and real prose in Spanish. In the same number of steps of the same size each way goes on with it:
`reading` (all weights, the domain's texts), `lora` and `full` (changes of rank 8, or all weights, on the domain's
conversations), and `reading_then_lora`, half the steps each, as the recipe `adapt` does. Nothing old is mixed in, so
that what is forgotten is the way's own doing. Before and after: the exams of the domain and of the old world, and bits
a byte of unread text of both and of general text (XQuAD's paragraphs, Spanish and English). Stopped, the same command
goes on.

    fragua bench adapt
    python benchmarks/adapt.py --recipe smoke --steps 8 --items 12
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from fragua.corpus.aldea import write_aldea
from fragua.corpus.aldea.asking import ExamItem
from fragua.corpus.aldea.exam import item_to_json, read_exam
from fragua.corpus.build import BuildSettings, build_corpus
from fragua.corpus.own.library import Library
from fragua.corpus.own.pairs import pairs
from fragua.corpus.own.write import MOST_ROWS, VALIDATION_SHARE, own_conversations, own_exam
from fragua.evaluation.exam import run_exam
from fragua.evaluation.perplexity import perplexity, read_texts
from fragua.files import read_json, read_jsonl, write_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.training.finetune import FinetuneSettings, finetune
from fragua.training.machine import write_result
from fragua.training.pretrain import PretrainSettings, pretrain

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("FRAGUA_TEST_DATA", "../shared/data"))
OTHER_WORLD = 1_000_000
"""Another seed than a recipe's."""
WAYS = {
    "reading": ("reading",),
    "lora": ("lora",),
    "full": ("full",),
    "reading_then_lora": ("reading", "lora"),
}
COLOURS = ("#c2410c", "#0f766e", "#64748b", "#b45309")
GENERAL_PARAGRAPHS = 60
"""Of XQuAD in each language: 100 kB in all."""
Figures = dict[str, Any]


def another_world(out: Path, conversations: int, items: int, max_bytes: int) -> None:
    write_aldea(out, OTHER_WORLD, max_bytes, conversations, items)


def prose(out: Path, source: Path, conversations: int, items: int) -> None:
    """A corpus of documents alone, with conversations and an exam about them."""
    build_corpus([source], out, BuildSettings(validation_share=VALIDATION_SHARE))
    library = Library(row for _, row in islice(read_jsonl(out / "train.jsonl"), MOST_ROWS))
    rng, aligned = random.Random(0), pairs(library.texts)
    write_jsonl(out / "conversations.jsonl", own_conversations(library, aligned, rng, conversations))
    write_jsonl(out / "exam.jsonl", map(item_to_json, own_exam(library, aligned, rng, items)))


def general(data: Path) -> list[str]:
    """Paragraphs about anything, in both languages."""
    told = []
    for lang in ("es", "en"):
        articles = read_json(data / "xquad" / f"xquad.{lang}.json")["data"]
        paragraphs = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
        told += paragraphs[:: max(1, len(paragraphs) // GENERAL_PARAGRAPHS)]
    return told


def some(exam: Path, count: int) -> list[ExamItem]:
    items = read_exam(str(exam))
    return random.Random(0).sample(items, min(count, len(items)))


class Ground:
    """The old world, and the text of which nothing should be forgotten: what every model is measured on."""

    def __init__(self, old: Path, told: list[str], items: int):
        self.old, self.general, self.items = old, told, items

    def measured(self, model: Path, domain: Path) -> Figures:
        """`exam` and `bits_per_byte` on what is new and old; bits on general text too."""
        lm, corpora = LanguageModel.load(model), {"new": domain, "old": self.old}
        exams = {
            name: run_exam(lm, some(corpus / "exam.jsonl", self.items)) for name, corpus in corpora.items()
        }
        texts = {name: list(read_texts(corpus / "validation.jsonl")) for name, corpus in corpora.items()}
        texts["general"] = self.general
        return {
            "exam": {name: result["accuracy"] for name, result in exams.items()},
            "exam_by_kind": {name: result["by_kind"] for name, result in exams.items()},
            "bits_per_byte": {
                name: round(perplexity(lm, part)["bits_per_byte"], 4) for name, part in texts.items()
            },
        }


def learn(kind: str, model: Path, domain: Path, steps: int, batch_tokens: int, out: Path) -> Figures:
    """One stage of a way; its figures."""
    common = {
        "model": model,
        "steps": steps,
        "batch_tokens": batch_tokens,
        "evaluate_every": steps,
        "sample_every": steps,
        "sample_prompts": [],
    }
    if kind == "reading":
        return pretrain(PretrainSettings.parse(common | {"corpus": domain}), out)
    told = {"data": domain / "conversations.jsonl", "lora_rank": 8 if kind == "lora" else None}
    return finetune(FinetuneSettings.parse(common | told), out)


def adapted(
    kinds: tuple[str, ...], model: Path, domain: Path, steps: int, batch_tokens: int, out: Path
) -> tuple[Path, Figures]:
    """The model that comes of a way's stages, and what they took."""
    seconds, trained = 0.0, 0
    for kind in kinds:
        told = learn(kind, model, domain, max(1, steps // len(kinds)), batch_tokens, out / kind)
        model, seconds = out / kind, seconds + told["seconds"]
        trained = max(trained, told.get("trained_parameters", told["parameters"]))
    return model, {"seconds": round(seconds, 1), "trained_parameters": trained}


def compare(
    model: Path, domains: dict[str, Path], ground: Ground, work: Path, steps: int, batch_tokens: int
) -> Figures:
    """Every way on every domain; what is measured already is taken as it is."""
    found: Figures = {}
    for name, domain in domains.items():
        for way, kinds in {"before": (), **WAYS}.items():
            path = work / name / f"{way}.json"
            if not path.is_file():
                last, took = adapted(kinds, model, domain, steps, batch_tokens, work / name / way)
                write_json(path, took | ground.measured(last, domain))
            figures = found.setdefault(name, {})[way] = read_json(path)
            bits = ", ".join(f"{part} {value:.3f}" for part, value in figures["bits_per_byte"].items())
            exams = ", ".join(f"{part} {share['value']:.0%}" for part, share in figures["exam"].items())
            print(f"{name}, {way}: bits a byte {bits}; exam {exams}")
    ratios = {
        f"{name}.{way}.{part}": round(bits / told["bits_per_byte"][part], 3)
        for name, ways in found.items()
        for way, told in ways.items()
        if way != "before"
        for part, bits in ways["before"]["bits_per_byte"].items()
    }
    return {
        "ratios": ratios,
        "ratio_spread": {key: [value, value] for key, value in ratios.items()},
        "domains": found,
        "steps": steps,
        "batch_tokens": batch_tokens,
    }


def main(
    recipe: str = "laptop",
    minutes: float | None = None,
    steps: int = 300,
    items: int = 200,
    work: Path = Path("runs/bench-adapt"),
    data: Path = DATA,
) -> Figures:
    """All ways; `ratios`: bits a byte before to those after: above 1 something was gained, below 1 forgotten."""
    command = [sys.executable, "-m", "fragua.cli.main", "run", recipe, "--out", str(work / "base")]
    command += ["--no-chat", "--json", *(["--minutes", str(minutes)] if minutes else [])]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    old, model = work / "base" / "corpus", work / "base" / "assistant"
    card = read_json(old / "corpus.json")
    conversations = sum(1 for _ in read_jsonl(old / "conversations.jsonl"))
    domains = {"world": work / "world" / "corpus", "prose": work / "prose" / "corpus"}
    if not (domains["world"] / "exam.jsonl").is_file():
        another_world(domains["world"], conversations, items, card["bytes"])
    if not (domains["prose"] / "exam.jsonl").is_file():
        prose(domains["prose"], data / "spanish_prose", conversations, items)
    batch_tokens = read_json(work / "base" / "plan.json")["plan"]["finetune_batch_tokens"]
    result = compare(model, domains, Ground(old, general(data), items), work, steps, batch_tokens)
    parameters = read_json(model / "fragua.json")["figures"]["parameters"]
    result |= {
        "base": {"recipe": recipe, "minutes": minutes, "parameters": parameters, "texts": card["bytes"]}
    }
    picture(result["domains"], RESULTS / "adapt.png")
    return result


def picture(domains: Figures, path: Path) -> None:
    """By domain and way: the change in bits a byte, and in points of the exams."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2 * len(domains)), dpi=150, layout="constrained")
    for row, (name, ways) in enumerate(domains.items()):
        for column, (what, parts) in enumerate(
            {"bits a byte": ("new", "old", "general"), "points": ("new", "old")}.items()
        ):
            axes = figure.add_subplot(len(domains), 2, 2 * row + column + 1)
            for number, (way, colour) in enumerate(zip(WAYS, COLOURS, strict=True)):
                changes = [_read(ways[way], what, part) - _read(ways["before"], what, part) for part in parts]
                places = [at + 0.2 * (number - 1.5) for at in range(len(parts))]
                axes.bar(places, changes, 0.18, color=colour, label=way.replace("_", " "))
            axes.axhline(0, color="#241c15", linewidth=0.8)
            axes.set_xticks(
                range(len(parts)), [f"{part} {'text' if column == 0 else 'exam'}" for part in parts]
            )
            axes.set_title(f"{name}: change in {what}", fontsize=10)
            if row == column == 0:
                axes.legend(frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _read(figures: Figures, what: str, part: str) -> float:
    return figures["bits_per_byte"][part] if what == "bits a byte" else 100 * figures["exam"][part]["value"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="laptop")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--work", type=Path, default=Path("runs/bench-adapt"))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=RESULTS / "adapt.json")
    given = vars(parser.parse_args())
    out = given.pop("out")
    print(json.dumps(write_result("adapt", out, main(**given))))
