"""Which branch of the family tree is good at what? The same text, parameters and seconds for six architectures.

Each is pretrained from scratch with its own objective on the same text (tinyshakespeare and as many characters of
Tatoeba's English and of its Spanish sentences, from FRAGUA_TEST_DATA), for as many steps as fit the seconds by its own
measured rate, at a width at which it has about as many parameters as the others. Then all are asked the same:

- gaps: single tokens of held-out text, as (pseudo-)perplexity and accuracy, beside the frequencies of tokens. A decoder
  sees only what stands before a gap, so its figures are of another, harder question.
- writing: lines of held-out plays go on, a token after the other; how many of the pairs of words that it writes does
  the learned text know? The measure is what it knows of the held-out lines themselves.
- translation: English and Spanish pairs are learned for some minutes more, by those that can learn pairs; BLEU.
- classification: TREC's six kinds of questions, learned from 500 labels; accuracy on the test file.

What is done is kept in `--run` and not done again.

    fragua bench architectures
    python -m benchmarks.architectures --seconds 300 --run runs/bench-architectures
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import statistics
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.transfer import DATA, draw, trec
from benchmarks.translation import PREFIX, Split, read_tatoeba, rows, split
from benchmarks.translation import measure as translated

from fragua.corpus.labelled import read_labelled
from fragua.errors import InputError
from fragua.evaluation.gaps import draw_gaps, judge_gaps, unigram_baseline, write_on
from fragua.files import atomic_write, read_json, read_jsonl, write_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.learning.transfer import TransferSettings, judge, transfer
from fragua.models.presets import preset
from fragua.tokens.train import train_tokenizer
from fragua.training.finetune_pairs import PairsSettings, finetune_pairs
from fragua.training.machine import write_result
from fragua.training.pretrain import PretrainSettings, pretrain
from fragua.training.rate import rate_of
from fragua.training.trainer import OnRow

RESULTS = Path(__file__).parent / "results"
FAMILIES = ("gpt2", "llama", "bert", "roberta", "t5", "xlnet")
SECONDS, DEPTH, WIDTH, CONTEXT, GAPS = 300.0, 4, 128, 128, 1000
VOCABULARY, BATCH_TOKENS = 2048, 2048
TOGETHER = 20
"""Speeches, or sentences, a document."""
LINES, WRITTEN, TEMPERATURE = 20, 32, 0.8
"""Lines that go on, by so many tokens."""
PAIRS, SENTENCES, LABELS, SEEDS = 40_000, 300, 500, 3
PROMPTS = [{"lang": "en", "text": "I pray you, my good lord"}]
Learn = Callable[[int, Path, OnRow | None], dict[str, Any]]
"""Steps, the folder to make, and who is told of each step."""


def write_data(run: Path, parts: Split) -> None:
    """The text in documents, the last tenth of each kind held out; the pairs; the questions and their labels."""
    plays = next((DATA / "tinyshakespeare").rglob("*.txt")).read_text("utf-8")
    kinds = [plays.split("\n\n")]
    for lang in PREFIX:
        sentences = list(dict.fromkeys(getattr(pair, lang) for pair in parts.train))
        random.Random(0).shuffle(sentences)
        lengths = 0
        kinds.append([each for each in sentences if (lengths := lengths + len(each)) < len(plays)])
    held_out, learned = [], []
    for kind, join in zip(kinds, ("\n\n", "\n", "\n"), strict=True):
        documents = [join.join(kind[at : at + TOGETHER]) for at in range(0, len(kind), TOGETHER)]
        cut = len(documents) * 9 // 10
        learned += documents[:cut]
        held_out += documents[cut:]
    random.Random(0).shuffle(held_out)
    for name, documents in (("train", learned), ("validation", held_out)):
        write_jsonl(run / "corpus" / f"{name}.jsonl", ({"text": each} for each in documents))
    write_jsonl(run / "pairs.jsonl", rows(random.Random(0).sample(parts.train, min(PAIRS, len(parts.train)))))
    write_jsonl(run / "dev.jsonl", rows(parts.development))
    for name, labelled in zip(("train", "test"), trec(DATA), strict=True):
        write_jsonl(run / f"questions.{name}.jsonl", labelled)


def texts(run: Path, part: str) -> list[str]:
    return [row["text"] for _, row in read_jsonl(run / "corpus" / f"{part}.jsonl")]


def width_for(family: str, width: int) -> tuple[int, int]:
    """Depth and the width, in steps of 16, that bring a family nearest to the parameters of the first one."""
    wanted = preset(FAMILIES[0], DEPTH, VOCABULARY, CONTEXT, pad_id=3, width=width, heads=4).parameters()
    depth = DEPTH // 2 if family == "t5" else DEPTH

    def distance(candidate: int) -> int:
        config = preset(family, depth, VOCABULARY, CONTEXT, pad_id=3, width=candidate, heads=4)
        return abs(config.parameters() - wanted)

    return depth, min(range(max(16, width // 2 // 16 * 16), 2 * width, 16), key=distance)


def for_seconds(learn: Learn, seconds: float, out: Path) -> dict[str, Any]:
    """As many steps as fit by a measured rate. One that is finished is read."""
    plan = out.with_suffix(".plan.json")
    if not plan.is_file():
        write_json(plan, {"steps": max(1, int(seconds / rate_of(learn, out.parent).seconds))})
    return learn(read_json(plan)["steps"], out, None)


def pretrained(family: str, run: Path, seconds: float, width: int) -> dict[str, Any]:
    depth, own_width = width_for(family, width)

    def learn(steps: int, out: Path, told: OnRow | None) -> dict[str, Any]:
        values = dict(
            corpus=run / "corpus",
            tokenizer=run / family / "tokenizer",
            family=family,
            depth=depth,
            width=own_width,
            heads=4,
            context=CONTEXT,
            steps=steps,
            batch_tokens=BATCH_TOKENS,
            compile="off",
            sample_prompts=PROMPTS,
            sample_every=steps,
        )
        return pretrain(PretrainSettings.parse(values), out, on_step=told)

    return for_seconds(learn, seconds, run / family / "base")


def gaps(lm: LanguageModel, run: Path, count: int) -> dict[str, float]:
    """Loss, perplexity and accuracy, and those of the frequencies of tokens."""
    learned, held_out = (
        [lm.tokenizer.encode(text) for text in texts(run, part)] for part in ("train", "validation")
    )
    asked = draw_gaps(held_out, CONTEXT - 4, count, seed=0)
    baseline = unigram_baseline(learned, asked, lm.tokenizer.vocab_size)
    return judge_gaps(lm, asked) | {f"unigram_{name}": value for name, value in baseline.items()}


def word_pairs(text: str) -> list[tuple[str, str]]:
    """Of words side by side, in lower case; the last word may be cut off, so it is left out."""
    words = re.findall(r"\w+(?:'\w+)?", text.lower())[:-1]
    return list(pairwise(words))


def known_pairs(run: Path) -> set[tuple[str, str]]:
    """Of the learned text."""
    return {pair for text in texts(run, "train") for pair in word_pairs(text)}


def held_out_plays(run: Path) -> list[str]:
    return [text for text in texts(run, "validation") if ":\n" in text][:LINES]


def writing(lm: LanguageModel, run: Path) -> dict[str, Any]:
    """The share of written pairs of words that the learned text knows, and the first two texts."""
    known, found, samples = known_pairs(run), [], []
    for number, play in enumerate(held_out_plays(run)):
        start = "\n".join(play.split("\n")[:2]) + "\n"
        ids = lm.tokenizer.encode(start)
        said = lm.tokenizer.decode(write_on(lm, ids, WRITTEN, TEMPERATURE, seed=number))
        found += [pair in known for pair in word_pairs(said)]
        samples.append({"prompt": start, "text": said})
    return {"known_pairs": statistics.mean(found) if found else 0.0, "samples": samples[:2]}


def held_out_pairs(run: Path) -> float:
    """What `writing` would tell of a human: of held-out plays, the pairs that the learned text knows."""
    known = known_pairs(run)
    return statistics.mean(pair in known for play in held_out_plays(run) for pair in word_pairs(play))


def translation(family: str, run: Path, parts: Split, seconds: float) -> dict[str, Any]:
    """BLEU into each language after so many seconds with pairs, or why there is none."""

    def learn(steps: int, out: Path, told: OnRow | None) -> dict[str, Any]:
        values = dict(
            model=run / family / "base",
            data=run / "pairs.jsonl",
            dev=run / "dev.jsonl",
            steps=steps,
            batch_tokens=BATCH_TOKENS,
            compile="off",
        )
        return finetune_pairs(PairsSettings.parse(values), out, on_step=told)

    try:
        figures = for_seconds(learn, seconds, run / family / "translation")
    except InputError as error:
        return {"refused": str(error)}
    lm = LanguageModel.load(run / family / "translation")
    return {"steps": figures["steps"], **translated(lm, parts.test, SENTENCES, beams=1)}


def classification(family: str, run: Path) -> dict[str, float]:
    """Accuracy on TREC's test questions: mean and deviation over seeds."""
    labelled = [row for _, row in read_jsonl(run / "questions.train.jsonl")]
    judged = read_labelled(run / "questions.test.jsonl", "classify")
    accuracies = []
    for seed in range(SEEDS):
        data, out = run / "questions.jsonl", run / family / "questions"
        write_jsonl(data, draw(labelled, LABELS, seed))
        shutil.rmtree(out, ignore_errors=True)
        values = dict(model=run / family / "base", data=data, dev_share=0.0, seed=seed)
        transfer(TransferSettings.parse(values), out)
        lm = LanguageModel.load(out)
        accuracies.append(judge(lm.model, lm.tokenizer, judged)[0]["accuracy"])
    return {"accuracy": statistics.mean(accuracies), "deviation": statistics.pstdev(accuracies)}


def compare(run: Path, seconds: float, width: int, count: int) -> dict[str, Any]:
    """One row a family."""
    parts = split(read_tatoeba(), SENTENCES, 500, seed=0)
    if not (run / "questions.test.jsonl").is_file():
        write_data(run, parts)
    table: dict[str, Any] = {}
    for family in FAMILIES:
        kept = run / family / "row.json"
        if not kept.is_file():
            if not (run / family / "tokenizer" / "tokenizer.json").is_file():
                learned = texts(run, "train") + [prefix + "." for prefix in PREFIX.values()]
                train_tokenizer(learned, VOCABULARY, family=family).save(run / family / "tokenizer")
            figures = pretrained(family, run, seconds, width)
            lm = LanguageModel.load(run / family / "base")
            write_json(
                kept,
                {key: figures[key] for key in ("parameters", "steps", "tokens", "seconds")}
                | {"gaps": gaps(lm, run, count), "writing": writing(lm, run)}
                | {"translation": translation(family, run, parts, seconds)}
                | {"classification": classification(family, run)},
            )
        table[family] = read_json(kept)
        show(family, table[family])
    return {"table": table, "held_out_known_pairs": held_out_pairs(run)}


def show(family: str, row: dict[str, Any]) -> None:
    found, pairs = row["gaps"], row["translation"]
    bleu = (
        "none"
        if "refused" in pairs
        else " · ".join(f"{pairs[into]['bleu']:.1f} into {into}" for into in PREFIX)
    )
    print(
        f"{family}: {row['parameters']:,} parameters, {row['steps']} steps · gaps: perplexity "
        f"{found['perplexity']:.1f} (frequencies {found['unigram_perplexity']:.1f}), {found['accuracy']:.1%} right "
        f"({found['unigram_accuracy']:.1%}) · known pairs of words {row['writing']['known_pairs']:.0%} · BLEU {bleu} · "
        f"TREC {row['classification']['accuracy']:.1%}"
    )


def draw_picture(table: dict[str, dict[str, Any]], path: Path) -> None:
    """Four questions side by side; what a family does not do has no bar."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2), dpi=150, layout="constrained")
    asked: dict[str, Callable[[dict[str, Any]], float]] = {
        "gaps filled rightly": lambda row: row["gaps"]["accuracy"],
        "written pairs of words that are known": lambda row: row["writing"]["known_pairs"],
        "translation, BLEU (mean of both ways)": lambda row: statistics.mean(
            row["translation"][into]["bleu"] if into in row["translation"] else 0.0 for into in PREFIX
        ),
        f"TREC with {LABELS} labels": lambda row: row["classification"]["accuracy"],
    }
    for axes, (title, value) in zip(figure.subplots(1, len(asked)), asked.items(), strict=True):
        heights = [value(row) for row in table.values()]
        axes.bar(range(len(table)), heights, color="#c2410c")
        axes.set_xticks(range(len(table)), list(table), rotation=45)
        axes.set_title(title, fontsize=9)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png")


def main(
    seconds: float = SECONDS,
    run: Path = Path("runs/bench-architectures"),
    width: int = WIDTH,
    count: int = GAPS,
    picture: Path = RESULTS / "architectures.png",
) -> dict[str, Any]:
    """The table, and as ratios each family's accuracy at gaps over that of the frequencies."""
    told = compare(run, seconds, width, count)
    draw_picture(told["table"], picture)
    ratios = {
        family: round(row["gaps"]["accuracy"] / row["gaps"]["unigram_accuracy"], 3)
        for family, row in told["table"].items()
    }
    return {
        "ratios": ratios,
        "ratio_spread": {family: [ratio, ratio] for family, ratio in ratios.items()},
        "seconds_each": seconds,
        **told,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of pretraining, and of translation")
    parser.add_argument("--run", type=Path, default=Path("runs/bench-architectures"))
    given = parser.parse_args()
    found = main(given.seconds, given.run)
    write_result("architectures", RESULTS / "architectures.json", found)
