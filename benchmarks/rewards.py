"""How often does a reward model agree with people, and with Aldea's gold labeller?

Real comparisons (`hh_rlhf` and `llms_from_scratch` of FRAGUA_TEST_DATA) are parted by prompt in five folds; each is
judged by a model that learned from the other four, and all five are counted together. Beside it: always taking the
shorter answer, and a bag of words (logistic regression on the difference of two answers' words) on the same folds. Two
bodies learn: a real sentence encoder (MiniLM) and an assistant made here. The assistant's own answers, compared by the
gold labeller, are the third set: there its ceiling is known, since the labeller's verdicts have noise. A fold is kept
as it ends; stopped, the same command goes on.

    python -m benchmarks.rewards --model runs/laptop/assistant
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.transfer import DATA, minilm
from scipy.sparse import vstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from fragua.alignment.examples import Pair, pairs
from fragua.alignment.feedback.events import examples
from fragua.alignment.feedback.formats import read_events
from fragua.alignment.gold import gold_reward, practice_items, write_gold
from fragua.alignment.judging import RewardSettings, train_reward
from fragua.alignment.reading import read_feedback
from fragua.alignment.reward import RewardModel
from fragua.corpus.aldea.exam import wilson
from fragua.corpus.aldea.world import build_world
from fragua.errors import InputError
from fragua.files import digest_json, read_json, write_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.training.machine import write_result

RESULTS = Path(__file__).parent / "results"
FOLDS, SEED = 5, 0
SETS = {
    "hh_rlhf": "harmless-base.test.jsonl",
    "llms_from_scratch": "instruction-data-with-preference.json",
}
CONTEXT = 128
"""Tokens that MiniLM reads of a conversation: its end. Ours, whose tokens are shorter, reads as many as it can."""
FLOORS = {"gold": 0.80, "hh_rlhf": 0.553}
GOALS = {"hh_rlhf": 0.62}
JUDGED = 500
"""Comparisons by gold on which what it taught is judged."""
MOST = 4
"""Practice questions a comparison, at most: those whose answers are all alike are not compared."""
Right = list[float]
"""Of each pair: 1 where the chosen answer was preferred, one half where neither was."""
Judge = Callable[[Sequence[Pair], Sequence[Pair], Path], Right]
"""Learns from the first, judges the second; the folder is its own."""


def folds(rows: Sequence[Pair]) -> list[list[Pair]]:
    """By prompt, so that none is learned from and judged."""
    prompts = sorted({digest_json(row.prompt) for row in rows})
    random.Random(SEED).shuffle(prompts)
    place = {prompt: number % FOLDS for number, prompt in enumerate(prompts)}
    parts: list[list[Pair]] = [[] for _ in range(FOLDS)]
    for row in rows:
        parts[place[digest_json(row.prompt)]].append(row)
    return parts


def by_length(_: Sequence[Pair], judged: Sequence[Pair], __: Path) -> Right:
    """Always the shorter answer, in words."""
    return preferred([len(row.rejected.split()) - len(row.chosen.split()) for row in judged])


def by_words(learned: Sequence[Pair], judged: Sequence[Pair], _: Path) -> Right:
    """Bradley-Terry on which words, and pairs of words, an answer has; each comparison is learned both ways round."""
    counts = CountVectorizer(ngram_range=(1, 2), min_df=2, binary=True)
    counts.fit([text for row in learned for text in (row.chosen, row.rejected)])

    def differences(rows: Sequence[Pair]) -> Any:
        first, second = ([getattr(row, side) for row in rows] for side in ("chosen", "rejected"))
        return counts.transform(first) - counts.transform(second)

    x = differences(learned)
    model = LogisticRegression(C=0.03, fit_intercept=False, max_iter=1000)
    model.fit(vstack([x, -x]), [1] * len(learned) + [0] * len(learned))
    return preferred(model.decision_function(differences(judged)))


def by_reward(body: Path, epochs: float, context: int | None = None) -> Judge:
    """A reward model of this body; a pair that it cannot read is a half."""

    def judge(learned: Sequence[Pair], judged: Sequence[Pair], folder: Path) -> Right:
        data = folder.with_suffix(".jsonl")
        write_jsonl(
            data, ({"prompt": row.prompt, "chosen": row.chosen, "rejected": row.rejected} for row in learned)
        )
        values = dict(model=body, data=data, epochs=epochs, context=context, seed=SEED, precision="auto")
        train_reward(RewardSettings.parse(values), folder)
        asked = [(row.prompt, text) for row in judged for text in (row.chosen, row.rejected)]
        rewards_P2 = RewardModel.load(folder).rewards(asked).mean(0).reshape(-1, 2)
        return preferred(np.nan_to_num(rewards_P2[:, 0] - rewards_P2[:, 1]))

    return judge


def preferred(margins: Sequence[float] | np.ndarray) -> Right:
    return [float((np.sign(margin) + 1) / 2) for margin in margins]


def share(right: Right) -> dict[str, Any]:
    low, high = wilson(round(sum(right)), len(right))
    return {"value": sum(right) / len(right), "low": low, "high": high, "n": len(right)}


def real(name: str, judges: dict[str, Judge], work: Path) -> dict[str, Any]:
    """Accuracy of each way over all folds, each judged by what learned from the others. `broken`: rows that compare
    no two answers to one talk."""
    broken: list[InputError] = []
    parts = folds(pairs(examples(read_events(DATA / name / SETS[name], broken.append))))
    told: dict[str, Any] = {"broken": len(broken)}
    for way, judge in judges.items():
        right: Right = []
        for number, judged in enumerate(parts):
            folder = work / name / way / f"fold-{number}"
            kept = folder.with_suffix(".right.json")
            if not kept.is_file():
                learned = [row for other, part in enumerate(parts) if other != number for row in part]
                write_json(kept, judge(learned, judged, folder))
            right += read_json(kept)
        told[way] = share(right)
        show(name, way, told[way])
    return told


def gold(model: Path, world: int, count: int, epochs: float, work: Path) -> dict[str, Any]:
    """Of verdicts on answers to other prompts: told by the reward model, and by gold without its noise, which is the
    ceiling. Pairs are the best of an answer's rivals against each other one."""
    village, parts = build_world(world), {}
    for seed, number in ((SEED, count), (SEED + 1, JUDGED)):
        data = work / f"gold-{seed}-{number}.jsonl"
        if not data.is_file():
            write_gold(LanguageModel.load(model), village, number, seed, data)
        parts[seed] = pairs(read_feedback(data))
    learned, known = parts[SEED], {digest_json(row.prompt) for row in parts[SEED]}
    judged = [row for row in parts[SEED + 1] if digest_json(row.prompt) not in known]
    practice = islice(practice_items(village, SEED + 1), MOST * JUDGED)
    asked = {digest_json(item.messages): item for item in practice}

    def margin(row: Pair) -> float:
        item = asked[digest_json(row.prompt)]
        return gold_reward(item, row.chosen) - gold_reward(item, row.rejected)

    def exact(_: Sequence[Pair], rows: Sequence[Pair], __: Path) -> Right:
        return preferred([margin(row) for row in rows])

    folder = work / f"gold-{count}"
    told: dict[str, Any] = {}
    judges = {"shorter": by_length, "reward_model": by_reward(model, epochs), "gold": exact}
    for way, judge in judges.items():
        told[way] = share(judge(learned, judged, folder))
        show("gold", way, told[way])
    return told | {"calibration": read_json(folder / "report.json")["calibration"]}


def show(name: str, way: str, row: dict[str, Any]) -> None:
    print(
        f"{name}, {way}: {row['value']:.1%} ({row['low']:.1%} to {row['high']:.1%}) of {row['n']}", flush=True
    )


def main(
    model: Path = Path("runs/laptop/assistant"),
    world: int = 0,
    comparisons: int = 3000,
    epochs: float = 1.0,
    work: Path = Path("runs/bench-rewards"),
    sets: Sequence[str] = tuple(SETS),
) -> dict[str, Any]:
    judges = {
        "shorter": by_length,
        "bag_of_words": by_words,
        "minilm": by_reward(minilm(), epochs, CONTEXT),
        "assistant": by_reward(model, epochs),
    }
    table = {"gold": gold(model, world, comparisons, epochs, work)}
    table |= {name: real(name, judges, work) for name in sets}
    return {
        "comparisons": comparisons,
        "epochs": epochs,
        "context": CONTEXT,
        "floors": FLOORS,
        "goals": GOALS,
    } | {"table": table}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("runs/laptop/assistant"), help="an assistant")
    parser.add_argument("--world", type=int, default=0, help="the world it has read about")
    parser.add_argument("--comparisons", type=int, default=3000, help="of the assistant's answers, by gold")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--work", type=Path, default=Path("runs/bench-rewards"))
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    found = main(**vars(parser.parse_args()))
    write_result("rewards", RESULTS / "rewards.json", found)
