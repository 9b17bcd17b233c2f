"""Which pairs to ask about: does an ensemble of rewards that chooses them need fewer labels than chance?

A model's answers to practice questions of Aldea, two by two, are a pool whose verdicts (the gold labeller's, with its
noise) are told when they are asked for. From the same first labels two learners go on in rounds: one asks what its
ensemble disagrees about most, the other what comes next. After each round the ensemble is made anew and measured on
pairs that neither may ask about. The assistant is that of `make run`. What is finished is not done again.

    python benchmarks/labels.py --seeds 0 1 2 3 4
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fragua.alignment.choosing import disagreement
from fragua.alignment.feedback.events import Comparison, parse_event
from fragua.alignment.gold import gold_comparisons
from fragua.alignment.judging import RewardSettings, train_reward
from fragua.alignment.reward import RewardModel
from fragua.corpus.aldea.world import build_world
from fragua.files import read_json, read_jsonl, write_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.training.directory import weights_digest
from fragua.training.machine import write_result

RESULT = Path(__file__).parent / "results" / "labels.json"
WAYS = ("disputed", "random")
DRAWS = 2000


def main(
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    model: Path = Path("runs/laptop/assistant"),
    world: int = 0,
    pool: int = 600,
    test: int = 300,
    start: int = 40,
    step: int = 40,
    budget: int = 240,
    members: int = 4,
    epochs: float = 4.0,
    runs: Path = Path("runs/labels"),
) -> dict[str, Any]:
    """`curves`: accuracy by number of labels, a row a seed. `figures`: how much more accurate the learner that chooses
    is on average over the rounds after the first, and which share of the other's labels takes it as far as those."""
    labels = list(range(start, budget + 1, step))
    curves: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for seed in seeds:
        events = _pool(model, world, pool + test, seed, runs / f"seed-{seed}.jsonl")
        for way in WAYS:
            out = runs / f"seed-{seed}-{way}"
            found = _learn(model, events, pool, labels, way, members, epochs, seed, out)
            curves[way].append(found)
            print(f"seed {seed}, {way}: {[round(one, 3) for one in found]}")
    disputed_SR, random_SR = (np.array(curves[way]) for way in WAYS)
    gain_S = (disputed_SR - random_SR)[:, 1:].mean(1)
    drawn_DS = np.random.default_rng(0).integers(0, len(gain_S), (DRAWS, len(gain_S)))
    shares_D = [_share(disputed_SR[drawn_S], random_SR[drawn_S], labels) for drawn_S in drawn_DS]
    return {
        "labels": labels,
        "curves": curves,
        "figures": {
            "accuracy_gain": _interval(float(gain_S.mean()), gain_S[drawn_DS].mean(1)),
            "share_of_labels": _interval(_share(disputed_SR, random_SR, labels), shares_D),
        },
    }


def _share(disputed_SR: np.ndarray, random_SR: np.ndarray, labels: Sequence[int]) -> float:
    """Labels, interpolated, with which the mean curve of the one first reaches the last point of the other's, over
    its labels; where it never does, more than 1 by the rest that is lacking."""
    curve_R, aim = np.maximum.accumulate(disputed_SR.mean(0)), float(random_SR.mean(0)[-1])
    if curve_R[-1] < aim:
        return float(aim / curve_R[-1])
    after = int(np.argmax(curve_R >= aim))
    if after == 0:
        return labels[0] / labels[-1]
    part = (aim - curve_R[after - 1]) / (curve_R[after] - curve_R[after - 1])
    return float(labels[after - 1] + part * (labels[after] - labels[after - 1])) / labels[-1]


def _interval(value: float, drawn: Any) -> dict[str, float]:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": value, "low": float(low), "high": float(high)}


def _pool(model: Path, world: int, count: int, seed: int, path: Path) -> list[Comparison]:
    if not path.is_file():
        lm, weights = LanguageModel.load(model), weights_digest(model)
        events = gold_comparisons(lm, weights, build_world(world), count, seed, candidates=2)
        write_jsonl(path, (event.model_dump(mode="json", exclude_none=True) for event in events))
    read = (parse_event(row, f"{path}:{number}") for number, row in read_jsonl(path))
    return [event for event in read if isinstance(event, Comparison)]


def _learn(
    model: Path,
    events: Sequence[Comparison],
    pool: int,
    labels: Sequence[int],
    way: str,
    members: int,
    epochs: float,
    seed: int,
    out: Path,
) -> list[float]:
    """Accuracies after each number of labels; the pool are the first `pool` events."""
    if (out / "result.json").is_file():
        return list(read_json(out / "result.json"))
    asked, accuracies = list(range(labels[0])), []
    ensemble: RewardModel | None = None
    for count in labels:
        left = [number for number in range(pool) if number not in set(asked)]
        if count > len(asked):
            if way == "disputed" and ensemble is not None:
                scores = _disagreements(ensemble, [events[number] for number in left])
                left = [left[place] for place in np.argsort(-scores, kind="stable")]
            asked += left[: count - len(asked)]
        folder = out / str(count)
        told = (events[number].model_dump(mode="json", exclude_none=True) for number in asked)
        write_jsonl(out / f"{count}.jsonl", told)
        settings = {"model": model, "data": out / f"{count}.jsonl", "members": members, "epochs": epochs}
        settings |= {"precision": "auto", "seed": seed * 100}
        train_reward(RewardSettings.parse(settings), folder)
        ensemble = RewardModel.load(folder)
        accuracies.append(_accuracy(ensemble, events[pool:]))
    write_json(out / "result.json", accuracies)
    return accuracies


def _rewards(ensemble: RewardModel, events: Sequence[Comparison]) -> np.ndarray:
    """[members, pairs, 2]"""
    asked = [(event.prompt, one.text) for event in events for one in event.candidates]
    return ensemble.rewards(asked).reshape(len(ensemble.members), -1, 2)


def _disagreements(ensemble: RewardModel, events: Sequence[Comparison]) -> np.ndarray:
    rewards_MP2 = _rewards(ensemble, events)
    return np.array([disagreement(rewards_MP2[:, number]) for number in range(len(events))])


def _accuracy(ensemble: RewardModel, events: Sequence[Comparison]) -> float:
    mean_P2 = _rewards(ensemble, events).mean(0)
    best_P = np.array([event.ranking[0] for event in events])
    return float((mean_P2.argmax(1) == best_P).mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--model", type=Path, default=Path("runs/laptop/assistant"), help="an assistant")
    for name, kind, value in (
        ("pool", int, 600), ("test", int, 300), ("start", int, 40), ("step", int, 40), ("budget", int, 240),
        ("members", int, 4), ("epochs", float, 4.0), ("runs", Path, Path("runs/labels")),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, default=value)
    result = main(**vars(parser.parse_args()))
    write_result("labels", RESULT, result)
    print(json.dumps(result["figures"], indent=2))
