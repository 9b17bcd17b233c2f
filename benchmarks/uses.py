"""What else is reading one text and writing another? Summaries, questions and answers of Aldea, graded by code.

The three abilities of Aldea whose answer stands in what is read, as pairs of a source and a target, in Spanish and
English: a summary of some news, the question for an answer, the answer to a question about a passage. A T5 learns all
three from nothing, told by a prefix; its exam is of people, events and wordings that no pair has, and the graders are
those of Aldea's exam.

    fragua bench uses
    python benchmarks/uses.py --minutes 10 --run runs/uses
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.asking import Asker, assistant
from fragua.corpus.aldea.entities import LANGS, World
from fragua.corpus.aldea.exam import exam_items, grade, wilson
from fragua.corpus.aldea.telling import Decks
from fragua.corpus.aldea.world import build_world
from fragua.files import read_json, write_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.tokens.train import train_tokenizer
from fragua.training.pretrain import PretrainSettings, pretrain
from fragua.training.rate import measured_rate

MINUTES, PAIRS, HELD_OUT, ITEMS, SEED = 10.0, 30_000, 300, 300, 0
VOCABULARY, CONTEXT, SHOWN = 2048, 256, 3
USES = {"summaries": "summarise: ", "inverse": "ask: ", "passages": "answer: "}
"""The ability and the prefix that asks for it."""
SHAPE: dict[str, Any] = {"family": "t5", "depth": 3, "width": 128, "heads": 4, "batch_tokens": 8192}


def pairs(world: World, count: int) -> Iterator[dict[str, str]]:
    """As many of each use in each language."""
    rng = random.Random(f"aldea uses {world.seed}")
    decks = Decks(world, rng)
    askers = [Asker(world, rng, lang, for_exam=False, decks=decks) for lang in LANGS]
    made = 0
    while made < count:
        use = list(USES)[made % len(USES)]
        task = ABILITIES[use].task(askers[made // len(USES) % len(askers)])
        if task is not None:
            yield {"source": task.request, "target": str(task.answer), "prefix": USES[use]}
            made += 1


def prepare(run: Path, world: World, count: int, vocabulary: int) -> None:
    """The pairs and a tokenizer of them, made once."""
    if (run / "tokenizer" / "tokenizer.json").is_file():
        return
    rows = list(pairs(world, count + HELD_OUT))
    write_jsonl(run / "pairs" / "train.jsonl", rows[HELD_OUT:])
    write_jsonl(run / "pairs" / "validation.jsonl", rows[:HELD_OUT])
    texts = [row["prefix"] + row["source"] + " " + row["target"] for row in rows[HELD_OUT:]]
    train_tokenizer(texts, vocabulary, family="t5").save(run / "tokenizer")


def train(run: Path, minutes: float, shape: dict[str, Any]) -> dict[str, Any]:
    """As many steps as fit the minutes by a measured rate; one that was broken off goes on."""

    def settings(steps: int) -> PretrainSettings:
        values = {"corpus": run / "pairs", "tokenizer": run / "tokenizer", "pairs": True, "context": CONTEXT}
        return PretrainSettings.parse(values | {"steps": steps} | shape)

    plan = run / "plan.json"
    if not plan.is_file():
        write_json(plan, {"steps": max(1, int(60 * minutes / measured_rate(settings(1), run).seconds))})
    return pretrain(settings(read_json(plan)["steps"]), run / "model")


def main(
    minutes: float = MINUTES,
    run: Path | None = None,
    count: int = PAIRS,
    items: int = ITEMS,
    vocabulary: int = VOCABULARY,
    shape: dict[str, Any] = SHAPE,
) -> dict[str, Any]:
    """The share of each use that passes, with Wilson's interval; `ratios`: the same shares."""
    run, world = run or Path("runs") / "uses", build_world(SEED)
    prepare(run, world, count, vocabulary)
    figures = train(run, minutes, shape)
    lm, asked = LanguageModel.load(run / "model"), exam_items(world, SEED, items, list(USES))
    answers = lm.generate([USES[item.family] + item.question for item in asked], max_tokens=64)
    table: dict[str, dict[str, Any]] = {}
    for use in USES:
        rows = [
            (item, answer.text.strip())
            for item, answer in zip(asked, answers, strict=True)
            if item.family == use
        ]
        passed = sum(bool(grade(item, [assistant(said)])) for item, said in rows)
        low, high = wilson(passed, len(rows))
        table[use] = {
            "passed": round(passed / len(rows), 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "n": len(rows),
            "samples": [
                {"source": item.question, "said": said, "passes": bool(grade(item, [assistant(said)]))}
                for item, said in rows[:SHOWN]
            ],
        }
        print(f"{use}: {passed} of {len(rows)} pass ({low:.0%} to {high:.0%}); {rows[0][1]!r}")
    told = ("parameters", "steps", "tokens", "seconds", "loss", "validation_loss", "precision")
    return {
        "ratios": {use: row["passed"] for use, row in table.items()},
        "ratio_spread": {use: [row["low"], row["high"]] for use, row in table.items()},
        "minutes": minutes,
        "pairs": count,
        "table": table,
        **{key: figures[key] for key in told},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--run", type=Path)
    given = parser.parse_args()
    print(json.dumps(main(given.minutes, given.run), ensure_ascii=False))
