"""Did learning from feedback work? An assistant, a judge of 700 comparisons, and policies beside their controls.

A cell is one model or one measurement of one seed; each is written down, and one that is there is not done again.

    python -m benchmarks.alignment --model runs/laptop/assistant --seeds 0 1 2
    python -m benchmarks.alignment --smoke            # a few rounds of each cell, to see that it runs

`figures`: wins by Aldea's gold labeller over the assistant on held-out questions at temperature 1 (all, and of like
length), how far the policy went in nats, several steps of arithmetic before and after GRPO, and what the exam lost.
Controls stand beside them: a judge of shuffled labels, the best of n by the same judge, fine-tuning on chosen answers,
and the gold labeller itself as the reward. `over_optimisation` is the proxy's and the gold reward against the root of
the divergence (Gao et al. 2022, 2210.10760), drawn in alignment.png. How fast a step is: `fragua bench grpo_speed`.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.preferences import assistant

from fragua.alignment.align import AlignSettings, align
from fragua.alignment.audit import Duel, answer, bootstrap, held_out_items
from fragua.alignment.best import best_of, best_of_kl
from fragua.alignment.gold import gold_reward, write_gold
from fragua.alignment.judging import RewardSettings, train_reward
from fragua.alignment.loop import LoopSettings, loop
from fragua.alignment.multistep import multistep_items
from fragua.alignment.optimise import ROLLOUTS, OptimiseSettings, optimise
from fragua.alignment.rewards import Judge, Part
from fragua.alignment.rollouts import Question, Rollout, fitting, read, read_records, roll
from fragua.corpus.aldea.asking import ExamItem
from fragua.corpus.aldea.exam import exam_items, grade
from fragua.corpus.aldea.world import build_world
from fragua.evaluation.exam import run_exam
from fragua.files import atomic_write, read_json, read_jsonl, write_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.training.finetune import FinetuneSettings, finetune
from fragua.training.machine import write_result

FOLDER = Path(__file__).parent / "results"
LABELS = (100, 500, 2000)
NS = (1, 2, 4, 8, 16, 32, 64)
BEST_OF = 16
TARGET = 8.0
"""Nats at which PPO's coefficient is kept; the floor allows 10."""
CHAIN_TOKENS = 160
"""Room for three calls and what is said after them: a hundred."""
FLOORS = {
    "ppo_win_rate": 0.65,
    "ppo_kl_nats": 10.0,
    "shuffled_win_rate": (0.45, 0.55),
    "grpo_multistep_before": 0.5,
    "grpo_multistep_after": 0.8,
    "exam_change_points": -2.0,
}


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    comparisons: int = 700
    items: int = 300
    exam: int = 600
    ppo_rounds: int = 40
    grpo_rounds: int = 50
    rollouts: int = 128
    batch: int = 32
    shown: int = 300
    """Demonstrations of several steps that GRPO starts from."""
    shown_epochs: float = 2.0
    labels: Sequence[int] = LABELS
    ns: Sequence[int] = NS
    held_out: int = 96


SMOKE = Size(
    comparisons=12, items=6, exam=0, ppo_rounds=1, grpo_rounds=1, rollouts=16, batch=8, shown=8, shown_epochs=1,
    labels=(8,), ns=(1, 2), held_out=4,
)  # fmt: skip


def main(
    seeds: tuple[int, ...] = (0, 1, 2),
    model: Path | None = None,
    world: int = 0,
    runs: Path = Path("runs/alignment"),
    size: Size = Size(),
    picture: Path = FOLDER / "alignment.png",
) -> dict[str, Any]:
    """Runs the cells that are missing; the figures are of all seeds' questions together."""
    model = model or assistant(world, runs)
    told = [Cells(seed, model, world, size, runs / f"seed-{seed}").all() for seed in seeds]
    figures: dict[str, Any] = {}
    for name in ("ppo", "dpo", "chosen", "bon", "shuffled", "gold_ceiling"):
        for ending, key in (("win_rate", "wins"), ("win_rate_like_length", "alike")):
            figures[f"{name}_{ending}"] = bootstrap(np.concatenate([row[name][key] for row in told]))
    for number in (1, 2):
        wins = [row["loop"][number - 1]["win_rate"]["value"] for row in told]
        figures[f"loop_round_{number}_win_rate"] = _spread(wins)
    figures["ppo_kl_nats"] = bootstrap(np.concatenate([row["ppo"]["kl"] for row in told]))
    figures["bon_kl_nats"] = dict.fromkeys(("value", "low", "high"), best_of_kl(BEST_OF))
    for name in ("before", "after"):
        right = np.concatenate([row["multistep"][name] for row in told])
        figures[f"grpo_multistep_{name}"] = bootstrap(right)
    if size.exam:
        change = 100 * np.concatenate([row["exam_change"] for row in told])
        figures["exam_change_points"] = bootstrap(change)
    curves = told[0]["over_optimisation"]
    _draw(curves, picture)
    return {
        "figures": figures,
        "floors": FLOORS,
        "seeds": {str(seed): _by_seed(row) for seed, row in zip(seeds, told, strict=True)},
        "over_optimisation": curves,
    }


@dataclass(frozen=True)
class Cells:
    """What is made and measured of one seed."""

    seed: int
    model: Path
    world: int
    size: Size
    out: Path

    def all(self) -> dict[str, Any]:
        self._data()
        judged = {"ppo": self._judge("gold", self.size.comparisons), "shuffled": self._judge("shuffled", 0)}
        found: dict[str, Any] = {
            name: self._cell(
                name, lambda judge=judge, name=name: self._won(self._ppo(name, f"model={judge}"))
            )
            for name, judge in judged.items()
        }
        found["gold_ceiling"] = self._cell(
            "gold_ceiling", lambda: self._won(self._ppo("gold_ceiling", "gold*0.2"))
        )
        for name, method in (("dpo", "dpo"), ("chosen", "chosen")):
            found[name] = self._cell(
                name, lambda name=name, method=method: self._won(self._aligned(name, method))
            )
        found["bon"] = self._cell("bon", lambda: self._best(judged["ppo"]))
        found["loop"] = self._cell("loop", self._loop)
        found["multistep"] = self._cell("multistep", self._multistep)
        if self.size.exam:
            found["exam_change"] = self._cell("exam_change", self._exam_change)
        if not self.seed:
            found["over_optimisation"] = self._cell("over_optimisation", self._over_optimisation)
        return found

    def _cell(self, name: str, make: Callable[[], Any]) -> Any:
        path = self.out / f"{name}.json"
        if not path.is_file():
            started = time.monotonic()
            write_json(path, make())
            print(f"seed {self.seed}, {name}: {time.monotonic() - started:.0f} s")
        return read_json(path)

    def _items(self) -> list[ExamItem]:
        return _held_out(self.model, self.world, self.seed, self.size.items, self.size.exam)

    def _data(self) -> None:
        """Gold's comparisons, as many as any cell wants, and the same with verdicts by lot."""
        gold = self.out / "gold.jsonl"
        most = max(self.size.comparisons, *(self.size.labels if not self.seed else ()), 0)
        if not gold.is_file():
            write_gold(LanguageModel.load(self.model), build_world(self.world), most, self.seed, gold)
        lot = random.Random(self.seed)
        rows = [row for _, row in read_jsonl(gold)]
        for count in {self.size.comparisons, *self.size.labels}:
            write_jsonl(self.out / f"gold-{count}.jsonl", rows[:count])
        drawn = (
            row | {"ranking": [lot.randrange(len(row["candidates"]))]}
            for row in rows[: self.size.comparisons]
        )
        write_jsonl(self.out / "shuffled.jsonl", drawn)

    def _judge(self, name: str, count: int) -> Path:
        data = self.out / (f"{name}-{count}.jsonl" if count else f"{name}.jsonl")
        out = self.out / f"judge-{data.stem}"
        values = {"model": self.model, "data": data, "seed": self.seed, "precision": "auto"}
        train_reward(RewardSettings.parse(values), out)
        return out

    @property
    def _replay(self) -> dict[str, Path]:
        """Fine-tuning's conversations, which all learn again but what has them by heart."""
        path = self.model.parent / "corpus" / "conversations.jsonl"
        return {"replay": path} if path.is_file() else {}

    def _settings(self, method: str, **changes: Any) -> OptimiseSettings:
        size = self.size
        values: dict[str, Any] = dict(
            model=self.model, method=method, world=self.world, seed=self.seed, rollouts=size.rollouts,
            batch=size.batch, held_out=size.held_out,
        )  # fmt: skip
        return OptimiseSettings.parse(values | self._replay | changes)

    def _ppo(self, name: str, reward: str, **changes: Any) -> Path:
        values: dict[str, Any] = dict(reward=(reward,), rounds=self.size.ppo_rounds, kl_target=TARGET)
        optimise(self._settings("ppo", **values | changes), self.out / f"{name}-policy")
        return self.out / f"{name}-policy"

    def _aligned(self, name: str, method: str) -> Path:
        data = self.out / f"gold-{self.size.comparisons}.jsonl"
        values = {"model": self.model, "data": data, "method": method, "seed": self.seed, "precision": "auto"}
        if method != "chosen":
            values |= self._replay
        align(AlignSettings.parse(values), self.out / f"{name}-policy")
        return self.out / f"{name}-policy"

    def _won(self, policy: Path) -> dict[str, Any]:
        """Wins over the assistant, and how far the answers are from it in nats."""
        items, (new, old) = self._items(), (LanguageModel.load(path) for path in (policy, self.model))
        duel = Duel.of(items, *(answer(lm, items, 1.0, self.seed) for lm in (new, old)))
        return _duel(duel) | {"kl": divergences(new, old, items, self.seed)}

    def _best(self, judge: Path) -> dict[str, Any]:
        items, lm = self._items(), LanguageModel.load(self.model)
        pairs = best_of(lm, _questions(items), Judge([Part.read(f"model={judge}")]), BEST_OF, self.seed << 32)
        said = [best.text for best, _ in pairs]
        return _duel(Duel.of(items, said, answer(lm, items, 1.0, self.seed)))

    def _loop(self) -> list[Any]:
        own = self._settings(
            "ppo", reward=("gold",), rounds=max(1, self.size.ppo_rounds // 2), kl_target=TARGET / 2
        )
        values = own.model_dump(exclude={"reward"}) | self._replay
        values |= {"comparisons": self.size.comparisons, "items": self.size.items}
        rounds = loop(LoopSettings.parse(values), self.out / "loop")["rounds"]
        return [row["by_temperature"]["1"] for row in rounds]

    def _multistep(self) -> dict[str, Any]:
        """A few demonstrations show how calls follow one another; then only right answers are rewarded."""
        shown = self.out / "shown.jsonl"
        items = list(islice(multistep_items(10_000 + self.seed), self.size.shown))
        write_jsonl(shown, ({"messages": [*item.messages, *item.gold]} for item in items))
        start, out = self.out / "multistep-start", self.out / "multistep-policy"
        finetune(
            FinetuneSettings.parse(
                {
                    "model": self.model,
                    "data": shown,
                    "epochs": self.size.shown_epochs,
                    "batch_tokens": 2048,
                    "seed": self.seed,
                    "compile": "off",
                }
            ),
            start,
        )
        how = self._settings(
            "grpo",
            model=start,
            replay=None,
            reward=("correct",),
            ability=("multistep",),
            rounds=self.size.grpo_rounds,
            max_tokens=CHAIN_TOKENS,
            kl=0.01,
        )
        optimise(how, out)
        asked = list(islice(multistep_items(20_000 + self.seed, for_exam=True), self.size.items))
        return {
            name: _right(LanguageModel.load(path), asked)
            for name, path in (("before", start), ("after", out))
        }

    def _exam_change(self) -> list[float]:
        sat = exam_items(build_world(self.world), self.world, self.size.exam)
        marks = [
            [float(row["correct"]) for row in run_exam(LanguageModel.load(path), sat)["answers"]]
            for path in (self.model, self.out / "ppo-policy")
        ]
        return (np.array(marks[1]) - np.array(marks[0])).tolist()

    def _over_optimisation(self) -> dict[str, Any]:
        """By number of labels: for the best of n, and for PPO without a price on divergence, round by round."""
        items, found = self._items(), {}
        gold_judge = Judge([Part.read("gold@-20:20")])
        for count in self.size.labels:
            folder = self._judge("gold", count)
            judge = Judge([Part.read(f"model={folder}")])
            drawn = roll(LanguageModel.load(self.model), _questions(items), max(self.size.ns), seed=1 << 40)
            proxy_QN, gold_QN = (each(drawn)[1].reshape(len(items), -1) for each in (judge, gold_judge))
            best = []
            for n in self.size.ns:
                chosen_Q = proxy_QN[:, :n].argmax(1)
                proxy, gold = (rows[np.arange(len(items)), chosen_Q].mean() for rows in (proxy_QN, gold_QN))
                best.append({"kl": best_of_kl(n), "proxy": float(proxy), "gold": float(gold)})
            every = max(1, self.size.ppo_rounds // 12)
            free = {"kl": 0.0, "kl_target": None, "evaluate_every": every}
            policy = self._ppo(f"over-{count}", f"model={folder}", **free)
            found[str(count)] = {"bon": best, "ppo": list(_course(policy))}
        return found


@cache
def _held_out(model: Path, world: int, seed: int, count: int, exam: int) -> list[ExamItem]:
    """Questions that fit the model and are in no exam."""
    village = build_world(world)
    items = held_out_items(village, 1000 + seed, count, exam_items(village, world, exam) if exam else [])
    return [
        question.item for question in fitting(LanguageModel.load(model), _questions(items)) if question.item
    ]


def _course(policy: Path) -> Iterator[dict[str, float]]:
    """Proxy, gold and divergence at each evaluation of a run."""
    for path in sorted((policy / ROLLOUTS).glob("held-out-*.jsonl")):
        records = list(read_records(path))
        asked = [(record.rollout.question.item, record.rollout.text) for record in records]
        yield {
            "kl": float(np.mean([record.kl for record in records])),
            "proxy": float(np.mean([record.score for record in records])),
            "gold": float(np.mean([gold_reward(item, text) for item, text in asked if item])),
        }


def _questions(items: Sequence[ExamItem]) -> list[Question]:
    return [Question(tuple(item.messages), item) for item in items]


def divergences(new: LanguageModel, old: LanguageModel, items: Sequence[ExamItem], seed: int) -> list[float]:
    """log π − log π_ref in nats of each answer that the new model draws at temperature 1."""
    return divergences_of(new, old, roll(new, _questions(items), seed=seed << 32))


def divergences_of(new: LanguageModel, old: LanguageModel, drawn: Sequence[Rollout]) -> list[float]:
    """Of answers that the new model drew."""
    with torch.no_grad():
        now_N, before_N = (read(lm.decoder, drawn, 1.0).logprob_N for lm in (new, old))
    lengths = [len(each.drawn) for each in drawn]
    return [float(part.sum()) for part in (now_N - before_N).split(lengths)]


def _right(lm: LanguageModel, items: Sequence[ExamItem]) -> list[float]:
    """Greedy answers with the calculator, judged by their last number."""
    replies = lm.reply([item.messages for item in items], max_tokens=CHAIN_TOKENS)
    return [float(bool(grade(item, reply))) for item, reply in zip(items, replies, strict=True)]


def _duel(duel: Duel) -> dict[str, Any]:
    wins_N = duel.wins()
    return {
        "wins": wins_N.tolist(),
        "alike": wins_N[duel.alike()].tolist(),
        "words": duel.words_N2.mean(0).tolist(),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"value": statistics.fmean(values), "low": min(values), "high": max(values), "n": len(values)}


def _by_seed(row: dict[str, Any]) -> dict[str, Any]:
    names = ("ppo", "dpo", "chosen", "bon", "shuffled", "gold_ceiling")
    means = {name: float(np.mean(row[name]["wins"])) for name in names}
    return means | {name: float(np.mean(row["multistep"][name])) for name in ("before", "after")}


def _draw(curves: dict[str, Any], path: Path) -> None:
    """A row of pictures, one a number of labels: the judge's reward and gold's against √KL."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(curves), 6), dpi=120, layout="constrained")
    panels = figure.subplots(2, len(curves), squeeze=False, sharex=True)
    for column, (count, ways) in enumerate(curves.items()):
        for way, colour in (("bon", "#64748b"), ("ppo", "#c2410c")):
            rows = sorted(ways[way], key=lambda row: row["kl"])
            roots = [max(0.0, row["kl"]) ** 0.5 for row in rows]
            for line, name in enumerate(("proxy", "gold")):
                panels[line][column].plot(roots, [row[name] for row in rows], "o-", color=colour, label=way)
        panels[0][column].set_title(f"{count} labels")
        panels[1][column].set_xlabel("√KL (nats)")
    for line, name in enumerate(("the judge's reward", "gold reward")):
        panels[line][0].set_ylabel(name)
    panels[0][0].legend()
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--model", type=Path, help="an assistant; default: a laptop's life is lived first")
    parser.add_argument("--world", type=int, default=0, help="the world it has read about")
    parser.add_argument("--runs", type=Path, default=Path("runs/alignment"))
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    figures = main(tuple(given.seeds), given.model, given.world, given.runs, SMOKE if given.smoke else Size())
    if not given.smoke:
        write_result("alignment", FOLDER / "alignment.json", figures)
    print(json.dumps(figures["figures"], indent=1))
