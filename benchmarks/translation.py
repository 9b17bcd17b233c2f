"""How well do two small models translate after the same minutes of training from nothing?

Tatoeba's English-Spanish sentences (`tatoeba_spa_eng` of FRAGUA_TEST_DATA) are split by the connected components of
their graph, so that no sentence, nor one that differs in case, accents or punctuation alone, is on both sides. One
joint vocabulary; each model learns both directions, told by a word before the source. An encoder-decoder and a decoder
get the same minutes; width and steps follow from measured rates. Then sacrebleu's BLEU and chrF on 1,000 held-out
sentences of either language, against all the translations that the data has of each. What is done is kept in `--run`
and gone on with.

    fragua bench translation
    python benchmarks/translation.py --minutes 30 --run runs/translation
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fragua.corpus.aldea.graders.text import normal
from fragua.errors import InputError
from fragua.files import atomic_write, read_json, read_jsonl, write_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.tokens.tokenizer import Tokenizer
from fragua.tokens.train import train_tokenizer
from fragua.training.machine import write_result
from fragua.training.pretrain import PretrainSettings, pretrain
from fragua.training.rate import measured_rate

RESULTS = Path(__file__).parent / "results"
MINUTES, SENTENCES, DEVELOPMENT, SEED = 30.0, 1000, 500, 0
VOCABULARY, CONTEXT, EPOCHS = 4096, 128, 3
WIDTHS = (384, 320, 256, 192, 160, 128)
BEAMS, MOST_TOKENS, SHOWN = 4, 64, 10
PREFIX = {"es": ">es ", "en": ">en "}
"""A token each: what the answer is to be written in."""
FLOORS, GOALS = {"es": 15, "en": 20}, {"es": 20, "en": 25}
MODELS: dict[str, dict[str, Any]] = {
    "encoder-decoder": {"family": "t5", "depth": 3, "heads": 4},
    "decoder": {"family": "llama", "depth": 4, "heads": 4},
}
TRAINING: dict[str, Any] = {"batch_tokens": 4096, "label_smoothing": 0.1}


class Sentences(NamedTuple):
    """An English sentence and a Spanish one that say the same."""

    en: str
    es: str


class Split(NamedTuple):
    """Three parts of the pairs that share no sentence."""

    train: list[Sentences]
    development: list[Sentences]
    test: list[Sentences]


def read_tatoeba() -> list[Sentences]:
    """Raises InputError where the data is not there, or a line of it is no pair."""
    root = Path(os.environ.get("FRAGUA_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    path = root / "tatoeba_spa_eng" / "spa.txt"
    if not path.is_file():
        raise InputError("no such file", path, "FRAGUA_TEST_DATA names the folder of test data")
    pairs = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        english, tab, spanish = line.partition("\t")
        if not (tab and english.strip() and spanish.strip()):
            raise InputError("not a pair of sentences with a tab between", f"{path}:{number}")
        pairs.append(Sentences(english, spanish))
    return list(dict.fromkeys(pairs))


def components(pairs: Sequence[Sentences]) -> np.ndarray:
    """int64 [pairs]: the number of each pair's component, in the graph whose nodes are normal forms."""
    nodes: dict[tuple[str, str], int] = {}
    ends = [
        [nodes.setdefault((lang, normal(text) or text), len(nodes)) for text in side]
        for lang, side in zip(Sentences._fields, zip(*pairs, strict=True), strict=True)
    ]
    graph = coo_array((np.ones(len(pairs)), ends), shape=(len(nodes), len(nodes)))
    return connected_components(graph, directed=False)[1][ends[0]].astype(np.int64)


def split(pairs: Sequence[Sentences], test: int, development: int, seed: int) -> Split:
    """Whole components, in an order that the seed decides, until there are `test` sentences of either language, then
    `development` pairs; the rest is learned."""
    members = defaultdict(list)
    for number, component in enumerate(components(pairs).tolist()):
        members[component].append(number)
    order = sorted(members)
    random.Random(seed).shuffle(order)
    parts = Split([], [], [])
    seen: dict[str, set[str]] = {lang: set() for lang in Sentences._fields}
    for component in order:
        rows = [pairs[number] for number in members[component]]
        if min(map(len, seen.values())) < test:
            parts.test.extend(rows)
            for lang, sentences in seen.items():
                sentences.update(getattr(row, lang) for row in rows)
        elif len(parts.development) < development:
            parts.development.extend(rows)
        else:
            parts.train.extend(rows)
    return parts


def questions(pairs: Sequence[Sentences], into: str, most: int) -> dict[str, list[str]]:
    """The first sentences of the other language, each with all its translations."""
    source = "en" if into == "es" else "es"
    found: dict[str, list[str]] = {}
    for pair in pairs:
        found.setdefault(getattr(pair, source), []).append(getattr(pair, into))
    return dict(list(found.items())[:most])


def rows(pairs: Sequence[Sentences]) -> list[dict[str, str]]:
    """Both directions of each pair."""
    return [
        {"source": source, "target": target, "prefix": PREFIX[into]}
        for pair in pairs
        for into, source, target in (("es", pair.en, pair.es), ("en", pair.es, pair.en))
    ]


def prepare(run: Path, parts: Split, vocabulary: int) -> None:
    """The pairs, and a tokenizer of the learned ones, made once."""
    if (run / "tokenizer" / "tokenizer.json").is_file():
        return
    write_jsonl(run / "pairs" / "train.jsonl", rows(parts.train))
    write_jsonl(run / "pairs" / "validation.jsonl", rows(parts.development))
    texts = [row["prefix"] + row["source"] for row in rows(parts.train)]
    train_tokenizer(texts, vocabulary, family="t5").save(run / "tokenizer")


def train(
    name: str, run: Path, minutes: float, shape: dict[str, Any], widths: Sequence[int]
) -> dict[str, Any]:
    """The widest model that sees the data EPOCHS times in the minutes, by its measured rate; the last one where none
    does. Then as many steps as fit. A run that was broken off goes on."""

    def settings(width: int, steps: int) -> PretrainSettings:
        values = {"corpus": run / "pairs", "tokenizer": run / "tokenizer", "pairs": True, "context": CONTEXT}
        return PretrainSettings.parse(values | {"width": width, "steps": steps} | shape | TRAINING)

    plan = run / f"{name}.plan.json"
    if not plan.is_file():
        wanted, tried = EPOCHS * learned_tokens(run), {}
        for width in widths:
            rate = measured_rate(settings(width, 1), run)
            steps = max(1, int(60 * minutes / rate.seconds))
            tried[width] = {"seconds_a_step": rate.seconds, "epochs": EPOCHS * steps * rate.tokens / wanted}
            if steps * rate.tokens >= wanted:
                break
        write_json(plan, {"width": width, "steps": steps, "tried": tried})
    chosen = read_json(plan)
    return pretrain(settings(chosen["width"], chosen["steps"]), run / name) | {"plan": chosen}


def learned_tokens(run: Path) -> int:
    """Of all pairs once, both sides."""
    tokenizer = Tokenizer.load(run / "tokenizer")
    rows = [row for _, row in read_jsonl(run / "pairs" / "train.jsonl")]
    texts = [row["prefix"] + row["source"] for row in rows] + [row["target"] for row in rows]
    return sum(len(ids) + 1 for ids in tokenizer.encode_batch(texts))


def measure(lm: LanguageModel, test: Sequence[Sentences], sentences: int, beams: int) -> dict[str, Any]:
    """BLEU and chrF of each direction, with their signatures, the seconds it took, and the first translations."""
    from sacrebleu.metrics import BLEU, CHRF

    figures: dict[str, Any] = {}
    for into in PREFIX:
        asked, started = questions(test, into, sentences), time.perf_counter()
        answers = lm.generate([PREFIX[into] + each for each in asked], max_tokens=MOST_TOKENS, beams=beams)
        said, seconds = [answer.text.strip() for answer in answers], time.perf_counter() - started
        most = max(map(len, asked.values()))
        references = [[ways[at] if at < len(ways) else None for ways in asked.values()] for at in range(most)]
        bleu, chrf = BLEU(), CHRF()
        figures[into] = {
            "bleu": round(bleu.corpus_score(said, references).score, 2),
            "chrf": round(chrf.corpus_score(said, references).score, 2),
            "exact": round(
                float(np.mean([a in ways for a, ways in zip(said, asked.values(), strict=True)])), 4
            ),
            "signatures": [str(bleu.get_signature()), str(chrf.get_signature())],
            "references": sum(map(len, asked.values())),
            "seconds": round(seconds, 1),
            "samples": [
                {"source": source, "said": answer, "wanted": ways}
                for (source, ways), answer in list(zip(asked.items(), said, strict=True))[:SHOWN]
            ],
        }
    return figures


def main(
    minutes: float = MINUTES,
    run: Path | None = None,
    sentences: int = SENTENCES,
    development: int = DEVELOPMENT,
    vocabulary: int = VOCABULARY,
    widths: Sequence[int] = WIDTHS,
    pairs: list[Sentences] | None = None,
    picture: Path = RESULTS / "translation.png",
) -> dict[str, Any]:
    """Both models trained and measured; `ratios`: the encoder-decoder's BLEU over the decoder's."""
    run = run or Path("runs") / "translation"
    parts = split(pairs or read_tatoeba(), sentences, development, SEED)
    prepare(run, parts, vocabulary)
    table: dict[str, dict[str, Any]] = {}
    for name, shape in MODELS.items():
        figures = train(name, run, minutes, shape, widths)
        kept = run / f"{name}.figures.json"
        if not kept.is_file():
            lm = LanguageModel.load(run / name)
            measured = {
                how: measure(lm, parts.test, sentences, n) for how, n in (("greedy", 1), ("beams", BEAMS))
            }
            write_json(kept, measured)
        curve = [
            [round(row["seconds"] / 60, 2), round(row["validation_loss"], 4)]
            for _, row in read_jsonl(run / name / "metrics.jsonl")
            if "validation_loss" in row
        ]
        told = ("plan", "parameters", "steps", "tokens", "seconds", "precision", "loss", "validation_loss")
        table[name] = {key: figures[key] for key in told} | {"curve": curve} | read_json(kept)
        show(name, table[name])
    draw(table, picture)
    first, second = (table[name]["beams"] for name in MODELS)
    ratios = {
        f"BLEU into {into}": round(first[into]["bleu"] / max(second[into]["bleu"], 0.01), 3)
        for into in PREFIX
    }
    return {
        "ratios": ratios,
        "ratio_spread": {name: [ratio, ratio] for name, ratio in ratios.items()},
        "minutes_each": minutes,
        "pairs": {name: len(part) for name, part in parts._asdict().items()},
        "vocabulary": vocabulary,
        "training": TRAINING,
        "models": MODELS,
        "floors": FLOORS,
        "goals": GOALS,
        "table": table,
    }


def show(name: str, row: dict[str, Any]) -> None:
    print(
        f"{name}: {row['parameters']:,} parameters, {row['steps']:,} steps, {row['seconds'] / 60:.1f} minutes"
    )
    for how in ("greedy", "beams"):
        for into, figures in row[how].items():
            print(
                f"  {how} into {into}: BLEU {figures['bleu']}, chrF {figures['chrf']}, {figures['seconds']} s"
            )
    for into, figures in row["beams"].items():
        for sample in figures["samples"]:
            print(f"  {into}: {sample['source']} → {sample['said']}  ({' / '.join(sample['wanted'])})")


def draw(table: dict[str, dict[str, Any]], path: Path) -> None:
    """The loss on held-out pairs over the minutes, and BLEU with its floor and goal."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    for place, (name, colour) in enumerate(zip(table, ("#c2410c", "#64748b"), strict=False)):
        minutes, losses = zip(*table[name]["curve"], strict=True)
        left.plot(minutes, losses, color=colour, linewidth=2, label=name)
        heights = [table[name]["beams"][into]["bleu"] for into in PREFIX]
        bars = right.bar(
            [at + 0.38 * place - 0.19 for at in range(2)], heights, 0.36, color=colour, label=name
        )
        right.bar_label(bars, fmt="%.1f")
    left.set(xlabel="minutes of training", ylabel="held-out loss, nats a token")
    for at, into in enumerate(PREFIX):
        for wanted, style in ((FLOORS[into], ":"), (GOALS[into], "--")):
            right.hlines(wanted, at - 0.45, at + 0.45, color="#0f172a", linewidth=1, linestyle=style)
    right.set_xticks(range(2), [f"into {into}" for into in PREFIX])
    right.set_ylabel(f"BLEU, {BEAMS} beams (dotted: floor, dashed: goal)")
    left.legend(frameon=False)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "translation.json")
    given = parser.parse_args()
    found = main(given.minutes, given.run, picture=given.out.with_suffix(".png"))
    write_result("translation", given.out, found)
