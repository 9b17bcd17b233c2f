"""The cells of `alignment`: what is made and measured of one seed. Each is kept as it ends."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.preferences import conversations

from fragua.alignment.align import AlignSettings, align
from fragua.alignment.audit import Duel, answer, held_out_items
from fragua.alignment.best import best_of, best_of_kl
from fragua.alignment.gold import gold_reward, write_gold
from fragua.alignment.judging import RewardSettings, train_reward
from fragua.alignment.loop import LoopSettings, loop
from fragua.alignment.multistep import multistep_items
from fragua.alignment.optimise import ROLLOUTS, OptimiseSettings, optimise
from fragua.alignment.rewards import Judge, Part
from fragua.alignment.rollouts import MAX_TOKENS, Question, Rollout, fitting, read, read_records, roll
from fragua.corpus.aldea.asking import ExamItem
from fragua.corpus.aldea.exam import exam_items, grade
from fragua.corpus.aldea.world import build_world
from fragua.evaluation.exam import run_exam
from fragua.files import read_json, read_jsonl, write_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.training.finetune import FinetuneSettings, finetune

LABELS = (100, 500, 2000)
NS = (1, 2, 4, 8, 16, 32, 64)
BEST_OF = 16
FREE_RATE = 1.5e-4
"""Learning rate of PPO without a price on divergence, about three times the usual: it is to go too far."""


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    comparisons: int = 2000
    a_round: int = 700
    """Comparisons of each round of the loop."""
    items: int = 300
    exam: int = 600
    ppo_rounds: int = 12
    ppo_rollouts: int = 512
    """A round."""
    grpo_rounds: int = 150
    rollouts: int = 128
    batch: int = 32
    shown: int = 300
    """Demonstrations of several steps that GRPO starts from."""
    shown_epochs: float = 2.0
    labels: Sequence[int] = LABELS
    ns: Sequence[int] = NS
    held_out: int = 96


FULL = Size()
SMOKE = Size(
    comparisons=12, a_round=12, items=6, exam=0, ppo_rounds=1, ppo_rollouts=16, grpo_rounds=1, rollouts=16, batch=8,
    shown=8, shown_epochs=1, labels=(8,), ns=(1, 2), held_out=4,
)  # fmt: skip


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
            "gold_ceiling", lambda: self._won(self._ppo("gold_ceiling", "gold*5"))
        )
        for name in ("dpo", "chosen"):
            found[name] = self._cell(name, lambda name=name: self._won(self._aligned(name)))
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

    def _settings(self, method: str, **changes: Any) -> OptimiseSettings:
        size = self.size
        values: dict[str, Any] = dict(
            model=self.model, method=method, world=self.world, seed=self.seed, rollouts=size.rollouts,
            batch=size.batch, held_out=size.held_out, replay=conversations(self.model),
        )  # fmt: skip
        return OptimiseSettings.parse(values | changes)

    def _ppo(self, name: str, reward: str, **changes: Any) -> Path:
        optimise(self._ppo_settings(reward=(reward,), **changes), self.out / f"{name}-policy")
        return self.out / f"{name}-policy"

    def _ppo_settings(self, **changes: Any) -> OptimiseSettings:
        size = self.size
        values = dict(rounds=size.ppo_rounds, rollouts=size.ppo_rollouts, kl=0.1)
        return self._settings("ppo", **values | changes)

    def _aligned(self, method: str) -> Path:
        data = self.out / f"gold-{self.size.comparisons}.jsonl"
        values = {"model": self.model, "data": data, "method": method, "seed": self.seed, "precision": "auto"}
        if method != "chosen":
            values["replay"] = conversations(self.model)
        align(AlignSettings.parse(values), self.out / f"{method}-policy")
        return self.out / f"{method}-policy"

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
        own = self._ppo_settings(reward=("gold",), rounds=max(1, self.size.ppo_rounds // 2))
        values = own.model_dump(exclude={"reward"}) | {"replay": own.replay}
        values |= {"comparisons": self.size.a_round, "items": self.size.items}
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
        drawn = roll(LanguageModel.load(self.model), _questions(items), max(self.size.ns), seed=1 << 40)
        gold_QN = np.array(
            [gold_reward(each.question.item, each.text) for each in drawn if each.question.item]
        ).reshape(len(items), -1)
        for count in self.size.labels:
            folder = self._judge("gold", count)
            proxy_QN = Judge([Part.read(f"model={folder}")])(drawn)[1].reshape(len(items), -1)
            best = []
            for n in self.size.ns:
                chosen_Q = proxy_QN[:, :n].argmax(1)
                proxy, gold = (rows[np.arange(len(items)), chosen_Q].mean() for rows in (proxy_QN, gold_QN))
                best.append({"kl": best_of_kl(n), "proxy": float(proxy), "gold": float(gold)})
            every = max(1, self.size.ppo_rounds // 12)
            free = {"kl": 0.0, "replay": None, "learning_rate": FREE_RATE, "evaluate_every": every}
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
    replies = lm.reply([item.messages for item in items], max_tokens=MAX_TOKENS)
    return [float(bool(grade(item, reply))) for item, reply in zip(items, replies, strict=True)]


def _duel(duel: Duel) -> dict[str, Any]:
    wins_N = duel.wins()
    return {
        "wins": wins_N.tolist(),
        "alike": wins_N[duel.alike()].tolist(),
        "words": duel.words_N2.mean(0).tolist(),
    }
