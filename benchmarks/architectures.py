"""Which branch of the family tree learns what? The same data, parameters and seconds for six architectures.

Each is pretrained from scratch on tinyshakespeare (FRAGUA_TEST_DATA) with its own objective, for as many steps as fit
the seconds by its own measured rate, at a width at which it has about as many parameters as the others. Then all are
asked for the same single tokens of held-out text: (pseudo-)perplexity and accuracy, beside those of the unigram
frequencies. A decoder sees only what stands before a gap, so its figures are of another, harder question.

    fragua bench architectures
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from fragua.evaluation.gaps import draw_gaps, judge_gaps, unigram_baseline
from fragua.files import atomic_write, read_jsonl, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.models.presets import preset
from fragua.tokens.train import train_tokenizer
from fragua.training.pretrain import PretrainSettings, pretrain

FAMILIES = ("gpt2", "llama", "bert", "roberta", "t5", "xlnet")
SECONDS, DEPTH, WIDTH, CONTEXT, GAPS = 300.0, 4, 256, 128, 1000
VOCABULARY, BATCH_TOKENS, TRIAL_STEPS = 2048, 8192, 6
PROMPTS = [{"lang": "en", "text": "I pray you, my good lord"}]
PICTURE = Path(__file__).parent / "results" / "architectures.png"


def write_data(folder: Path) -> list[str]:
    """The plays as documents of twenty speeches, the last tenth held out; returns all."""
    root = Path(os.environ.get("FRAGUA_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    text = next((root / "tinyshakespeare").rglob("*.txt")).read_text("utf-8")
    speeches = text.split("\n\n")
    documents = ["\n\n".join(speeches[start : start + 20]) for start in range(0, len(speeches), 20)]
    cut = len(documents) * 9 // 10
    write_jsonl(folder / "corpus" / "train.jsonl", [{"text": each} for each in documents[:cut]])
    write_jsonl(folder / "corpus" / "validation.jsonl", [{"text": each} for each in documents[cut:]])
    return documents


def width_for(family: str, width: int) -> tuple[int, int]:
    """Depth and the width, in steps of 16, that bring a family nearest to the parameters of the first one."""
    wanted = preset(FAMILIES[0], DEPTH, VOCABULARY, CONTEXT, pad_id=3, width=width, heads=4).parameters()
    depth = DEPTH // 2 if family == "t5" else DEPTH

    def distance(candidate: int) -> int:
        config = preset(family, depth, VOCABULARY, CONTEXT, pad_id=3, width=candidate, heads=4)
        return abs(config.parameters() - wanted)

    return depth, min(range(max(16, width // 2 // 16 * 16), 2 * width, 16), key=distance)


def train(family: str, folder: Path, seconds: float, width: int) -> dict[str, Any]:
    """A few steps tell the rate; then as many as fit."""
    depth, own_width = width_for(family, width)
    out = folder / "models" / family

    def run(steps: int) -> dict[str, Any]:
        shutil.rmtree(out, ignore_errors=True)
        values = dict(
            corpus=folder / "corpus",
            tokenizer=folder / family,
            family=family,
            depth=depth,
            width=own_width,
            heads=4,
            context=CONTEXT,
            steps=steps,
            batch_tokens=BATCH_TOKENS,
            compile="off",
            sample_prompts=PROMPTS,
            evaluate_every=steps,
            sample_every=steps,
            checkpoint_every_s=600.0,
        )
        return pretrain(PretrainSettings.parse(values), out)

    trial = run(TRIAL_STEPS)
    return run(max(TRIAL_STEPS, int(seconds * TRIAL_STEPS / trial["seconds"])))


def measure(seconds: float = SECONDS, width: int = WIDTH, gaps: int = GAPS) -> dict[str, Any]:
    """One row a family: parameters, steps, tokens, seconds, loss, perplexity, accuracy and a sample."""
    table: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents = write_data(folder)
        for family in FAMILIES:
            train_tokenizer(documents, VOCABULARY, family=family).save(folder / family)
            figures = train(family, folder, seconds, width)
            lm = LanguageModel.load(folder / "models" / family)
            parts = [
                [
                    lm.tokenizer.encode(row["text"])
                    for _, row in read_jsonl(folder / "corpus" / f"{split}.jsonl")
                ]
                for split in ("train", "validation")
            ]
            asked = draw_gaps(parts[1], CONTEXT - 4, gaps, seed=0)
            samples = [row for _, row in read_jsonl(folder / "models" / family / "samples.jsonl")]
            baseline = unigram_baseline(parts[0], asked, lm.tokenizer.vocab_size)
            table[family] = {
                "parameters": figures["parameters"],
                "steps": figures["steps"],
                "tokens": figures["tokens"],
                "seconds": round(figures["seconds"], 1),
                **{key: round(value, 4) for key, value in judge_gaps(lm, asked).items()},
                **{f"unigram_{key}": round(value, 4) for key, value in baseline.items()},
                "prompt": samples[-1]["prompt"],
                "sample": samples[-1]["text"],
            }
    return table


def draw(table: dict[str, dict[str, Any]], path: Path) -> None:
    """Accuracy and (pseudo-)perplexity, with the unigram baseline beside each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), dpi=150, layout="constrained")
    for axes, key in zip(figure.subplots(1, 2), ("accuracy", "perplexity"), strict=True):
        for shift, prefix, colour in ((-0.2, "", "#c2410c"), (0.2, "unigram_", "#94a3b8")):
            heights = [row[prefix + key] for row in table.values()]
            places = [number + shift for number in range(len(table))]
            axes.bar(places, heights, 0.4, color=colour, label=(prefix + "trained").removesuffix("_trained"))
        axes.set_xticks(range(len(table)), list(table))
        axes.set_title(key)
        axes.legend(frameon=False)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png")


def main() -> dict[str, Any]:
    """Returns the table, and as ratios each family's accuracy over the unigram's."""
    table = measure()
    draw(table, PICTURE)
    print(
        f"{'':8} {'params':>9} {'steps':>6} {'loss':>6} {'perplexity':>10} {'accuracy':>8} {'unigram':>8}  sample"
    )
    for family, row in table.items():
        print(
            f"{family:8} {row['parameters']:>9,} {row['steps']:>6} {row['loss']:>6.2f} {row['perplexity']:>10.1f} "
            f"{row['accuracy']:>8.1%} {row['unigram_accuracy']:>8.1%}  {row['sample'][:60]!r}"
        )
    ratios = {family: round(row["accuracy"] / row["unigram_accuracy"], 3) for family, row in table.items()}
    return {
        "ratios": ratios,
        "ratio_spread": {family: [ratio, ratio] for family, ratio in ratios.items()},
        "table": table,
        "seconds_each": SECONDS,
    }
