"""How many comparisons does it take to change a style? Ziegler et al. 2019 (1909.08593), section 3.1, made small.

A small model learns to go on with the first words of sentences about films (SST-2 of FRAGUA_TEST_DATA). A labeller
stands for people: a real encoder that has learned SST-2's labels picks, of four continuations, the one that is
likeliest praise. From 100, 500 and 2,000 such choices a reward model is made, and PPO follows it; beside it the model
as it was (0 labels), and PPO that is rewarded by the labeller itself. What counts is how likely the labeller finds
praise in what each writes after first words of held-out sentences. What is done is not done again.

    python -m benchmarks.style
    python -m benchmarks.style --smoke        # small sizes, to see that it runs
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.alignment_cells import divergences_of
from benchmarks.transfer import DATA, minilm, sst2

from fragua.alignment.audit import bootstrap
from fragua.alignment.feedback.events import Candidate, Comparison
from fragua.alignment.judging import RewardSettings, train_reward
from fragua.alignment.optimise import OptimiseSettings, optimise
from fragua.alignment.rewards import Judge, Part
from fragua.alignment.rollouts import Question, Rollout, roll
from fragua.files import atomic_write, read_json, read_jsonl, write_json, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.learning.transfer import TransferSettings, transfer
from fragua.tokens.train import train_tokenizer
from fragua.training.finetune import FinetuneSettings, finetune
from fragua.training.machine import write_result
from fragua.training.pretrain import PretrainSettings, pretrain

RESULTS = Path(__file__).parent / "results"
FIRST, LEAST = 3, 8
"""Words that are given, and words that a sentence has at least."""
CHOICES, MAX_TOKENS, TARGET, SEED = 4, 24, 8.0, 0
"""Continuations that are compared; tokens of one; nats at which PPO is kept."""


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    labels: tuple[int, ...] = (100, 500, 2000)
    labelled: int = 8000
    """Rows that the labeller learns from."""
    steps: int = 800
    """Of pretraining."""
    rounds: int = 16
    rollouts: int = 512
    """A round."""
    asked: int = 300
    shown: int = 5
    width: int = 192


SMOKE = Size(labels=(8,), labelled=200, steps=10, rounds=2, rollouts=32, asked=8, shown=2, width=32)


def messages(text: str) -> list[dict[str, str]]:
    """The first words, and what follows them."""
    words = text.split()
    first, rest = " ".join(words[:FIRST]), " ".join(words[FIRST:])
    return [{"role": "user", "content": first}, {"role": "assistant", "content": rest}]


def policy(texts: list[str], size: Size, work: Path) -> Path:
    """A model that goes on with first words."""
    held_out = max(1, len(texts) // 50)
    if not (work / "tokenizer" / "tokenizer.json").is_file():
        for name, part in (("validation", texts[:held_out]), ("train", texts[held_out:])):
            write_jsonl(work / "corpus" / f"{name}.jsonl", ({"text": text} for text in part))
        write_jsonl(work / "conversations.jsonl", ({"messages": messages(text)} for text in texts[held_out:]))
        train_tokenizer(texts, 2048).save(work / "tokenizer")
    reads = dict(
        corpus=work / "corpus", tokenizer=work / "tokenizer", depth=3, width=size.width, context=64,
        steps=size.steps, batch_tokens=2048, sample_prompts=[{"lang": "en", "text": "the film is"}],
    )  # fmt: skip
    pretrain(PretrainSettings.parse(reads), work / "base")
    goes_on = dict(
        model=work / "base",
        data=work / "conversations.jsonl",
        steps=size.steps // 2,
        batch_tokens=2048,
        sample_prompts=[{"lang": "en", "text": "the film is"}],
    )
    finetune(FinetuneSettings.parse(goes_on), work / "policy")
    return work / "policy"


def labeller(rows: list[dict[str, str]], size: Size, work: Path) -> Path:
    """A real encoder, with a head learned from SST-2's labels."""
    data = work / "labelled.jsonl"
    if not data.is_file():
        names = {"0": "blame", "1": "praise"}
        write_jsonl(
            data, ({"text": row["text"], "label": names[row["label"]]} for row in rows[: size.labelled])
        )
    transfer(
        TransferSettings.parse(dict(model=minilm(), data=data, method="frozen", seed=SEED)), work / "labeller"
    )
    return work / "labeller"


def questions(texts: list[str]) -> list[Question]:
    return [Question(tuple(messages(text)[:1])) for text in texts]


def choices(model: Path, judge: Judge, texts: list[str], path: Path) -> None:
    """The labeller's choice among continuations of each; those that are all alike teach nothing."""
    drawn = roll(LanguageModel.load(model), questions(texts), CHOICES, max_tokens=MAX_TOKENS, seed=1 << 32)
    _, score_N = judge(drawn)
    rows = []
    for number in range(len(texts)):
        own = range(number * CHOICES, (number + 1) * CHOICES)
        scores = {drawn[each].text: score_N[each] for each in own}
        if len(scores) > 1:
            rows.append((drawn[number * CHOICES].question, scores))
    events = (
        Comparison(
            id=str(number),
            at=datetime.now(UTC),
            annotator="labeller",
            seconds=0.0,
            prompt=question.prompt,
            candidates=tuple(Candidate(text=text) for text in scores),
            order=tuple(range(len(scores))),
            verdict="best",
            ranking=(int(np.argmax(list(scores.values()))),),
        )
        for number, (question, scores) in enumerate(rows)
    )
    write_jsonl(path, (event.model_dump(mode="json", exclude_none=True) for event in events))


def follow(model: Path, reward: str, size: Size, work: Path, name: str) -> Path:
    """PPO's policy for a reward."""
    values = dict(
        model=model, method="ppo", prompts=work / "prompts.jsonl", reward=(reward,), rounds=size.rounds,
        rollouts=size.rollouts, batch=32, max_tokens=MAX_TOKENS, kl_target=TARGET, seed=SEED, held_out=32,
    )  # fmt: skip
    optimise(OptimiseSettings.parse(values), work / name)
    return work / name


def measured(model: Path, before: Path, judge: Judge, texts: list[str], shown: int) -> dict[str, Any]:
    """The labeller's mean probability of praise, how far the policy went, how many of its continuations differ, and
    texts."""
    drawn = roll(LanguageModel.load(model), questions(texts), max_tokens=MAX_TOKENS, seed=2 << 32)
    _, score_N = judge(drawn)
    away = divergences_of(LanguageModel.load(model), LanguageModel.load(before), drawn)
    return {
        "praise": bootstrap(score_N),
        "kl_nats": bootstrap(np.array(away)),
        "different_continuations": len({each.text for each in drawn}) / len(drawn),
        "samples": [said(each) for each in drawn[:shown]],
    }


def said(rollout: Rollout) -> str:
    return f"{rollout.question.prompt[-1]['content']} … {rollout.text}"


def main(
    work: Path = Path("runs/bench-style"), size: Size = Size(), picture: Path = RESULTS / "style.png"
) -> dict[str, Any]:
    """`table`: by number of labels, 0 and 'labeller' among them."""
    rows, held_out = sst2(DATA)
    texts, asked = (
        list(dict.fromkeys(row["text"] for row in part if len(row["text"].split()) >= LEAST))
        for part in (rows, held_out)
    )
    half = len(texts) // 2
    work.mkdir(parents=True, exist_ok=True)
    kind = labeller(rows, size, work)
    judge = Judge([Part.read(f"label={kind}:praise")])
    model = policy(texts[half:], size, work)
    write_jsonl(work / "prompts.jsonl", ({"prompt": list(each.prompt)} for each in questions(texts[:half])))
    if not (work / "choices.jsonl").is_file():
        choices(
            model,
            judge,
            texts[: min(half, max(size.labels) + max(size.labels) // 20)],
            work / "choices.jsonl",
        )
    events = [row for _, row in read_jsonl(work / "choices.jsonl")]
    rewards = {}
    for count in size.labels:
        write_jsonl(work / f"choices-{count}.jsonl", events[:count])
        values = dict(model=model, data=work / f"choices-{count}.jsonl", learn="best", seed=SEED)
        train_reward(RewardSettings.parse(values), work / f"judge-{count}")
        rewards[str(count)] = f"model={work / f'judge-{count}'}"
    rewards["labeller"] = f"label={kind}:praise*4"
    table: dict[str, Any] = {}
    for name, made in {"0": "", **rewards}.items():
        kept = work / f"{name}.json"
        if not kept.is_file():
            path = follow(model, made, size, work, f"ppo-{name}") if made else model
            write_json(kept, measured(path, model, judge, asked[: size.asked], size.shown))
        table[name] = read_json(kept)
        row = table[name]["praise"]
        print(
            f"{name} labels: praise {row['value']:.1%} ({row['low']:.1%} to {row['high']:.1%}), "
            f"{table[name]['kl_nats']['value']:.1f} nats away; {table[name]['samples'][0]}",
            flush=True,
        )
    draw_picture(table, picture)
    return {"table": table, "labels": list(size.labels), "choices_of": CHOICES}


def draw_picture(table: dict[str, Any], path: Path) -> None:
    """The labeller's probability of praise against the number of labels, and where its own reward leads."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.4), dpi=150, layout="constrained")
    axes = figure.add_subplot(xlabel="labels", ylabel="praise, by the labeller", ylim=(0, 1))
    names = [name for name in table if name != "labeller"]
    value_N, low_N, high_N = (
        np.array([table[name]["praise"][key] for name in names]) for key in ("value", "low", "high")
    )
    axes.errorbar(
        range(len(names)),
        value_N,
        [value_N - low_N, high_N - value_N],
        marker="o",
        capsize=3,
        color="#c2410c",
    )
    axes.set_xticks(range(len(names)), names)
    ceiling = table["labeller"]["praise"]["value"]
    axes.axhline(ceiling, color="#64748b", linestyle=":", label="the labeller's own reward")
    axes.legend(frameon=False)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("runs/bench-style"))
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    if given.smoke:
        found = main(given.work, SMOKE, given.work / "style.png")
    else:
        found = main(given.work)
        write_result("style", RESULTS / "style.json", found)
    print(json.dumps(found["table"], indent=1, ensure_ascii=False))
