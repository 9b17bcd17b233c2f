"""How soon is Shakespeare learned by characters, beside transformers' GPT-2 with nanoGPT's setting for CPUs?

nanoGPT's setting: 4 layers, 4 heads, width 128, context 64, batches of 12, AdamW at 1e-3, float32, no dropout, 2,000
iterations; validation on the last tenth. This project lives its recipe twice: in a time planned as a fifth of the
peer's, and as all of it. They take turns of a few seconds in one process, so that a busy machine slows both alike; only
training counts, and neither is compiled. The loss is of all held-out characters, in windows of each model's own
context. Stopped, the same command goes on.

    fragua bench shakespeare
    python benchmarks/shakespeare.py --iterations 2000 --set corpus.sources='["input.txt"]'
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from fragua.corpus.build import build_corpus
from fragua.files import read_json, read_jsonl, write_json
from fragua.recipes.recipe import Recipe, load_recipe
from fragua.recipes.report.data import read_rows
from fragua.recipes.work import GIVEN_KEYS, texts_of
from fragua.tokens.train import train_tokenizer
from fragua.training.checkpoint import load_checkpoint, restore_tensors, save_checkpoint, tensors_of
from fragua.training.machine import throughput, write_result
from fragua.training.pretrain import PretrainSettings, pretrain

RESULTS = Path(__file__).parent / "results"
TARGET = 1.88
SLICE_S = 4.0
EVALUATIONS = 12
MARGIN = 0.95
"""Of the peer's time, what our steps are planned to take: the speed measured before is not quite the speed to come."""
Curve = list[list[float]]


class Peer:
    """transformers' GPT-2, trained as nanoGPT's README says for CPUs. `curve`: [seconds, validation loss]."""

    CONTEXT, BATCH, WARMUP, PEAK, FLOOR = 64, 12, 100, 1e-3, 1e-4

    def __init__(self, learned: str, held_out: str, iterations: int, folder: Path, seed: int = 0):
        self.iterations, self.folder = iterations, folder
        self.every = max(1, iterations // (2 * EVALUATIONS))
        ids = {character: i for i, character in enumerate(sorted(set(learned + held_out)))}
        self.learned, self.held_out = (torch.tensor([ids[c] for c in text]) for text in (learned, held_out))
        torch.manual_seed(seed)
        config = GPT2Config(
            vocab_size=len(ids),
            bos_token_id=None,
            eos_token_id=None,
            n_positions=self.CONTEXT,
            n_embd=128,
            n_layer=4,
            n_head=4,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
        self.model = GPT2LMHeadModel(config).train()
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        vectors = [p for p in self.model.parameters() if p.ndim == 1]
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.PEAK, betas=(0.9, 0.99), fused=True)
        self.iteration, self.seconds, self.curve = 0, 0.0, Curve()
        if found := load_checkpoint(folder):
            restore_tensors(self.model, [self.optimizer], found[0])
            self.iteration, self.seconds, self.curve = (found[1][key] for key in ("step", "seconds", "curve"))

    @property
    def done(self) -> bool:
        return self.iteration == self.iterations

    def learn(self, seconds: float) -> None:
        """For about so many seconds of training, or to the end; evaluated where due, and kept."""
        until = self.seconds + seconds
        while not self.done and self.seconds < until:
            self.seconds += self.step()
            if self.done or self.iteration % self.every == 0:
                self.curve.append([round(self.seconds, 2), self.evaluate()])
                print(f"GPT-2: {self.iteration} iterations, {self.seconds:.1f} s, {self.curve[-1][1]:.3f}")
        state = {"seconds": self.seconds, "curve": self.curve}
        save_checkpoint(self.folder, self.iteration, tensors_of(self.model, [self.optimizer]), state)

    def step(self) -> float:
        """One iteration; its seconds."""
        started = time.perf_counter()
        draw = torch.Generator().manual_seed(self.iteration)  # so that it goes on exactly
        starts = torch.randint(len(self.learned) - self.CONTEXT, (self.BATCH,), generator=draw)
        rows_BT = torch.stack([self.learned[i : i + self.CONTEXT + 1] for i in starts])
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        self.loss(rows_BT).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.iteration += 1
        return time.perf_counter() - started

    def rate(self) -> float:
        """Linear up over 100 iterations, then a cosine down to a tenth."""
        if self.iteration < self.WARMUP:
            return self.PEAK * (self.iteration + 1) / (self.WARMUP + 1)
        share = (self.iteration - self.WARMUP) / max(1, self.iterations - self.WARMUP)
        return self.FLOOR + 0.5 * (1 + math.cos(math.pi * share)) * (self.PEAK - self.FLOOR)

    def loss(self, rows_BT: torch.Tensor) -> torch.Tensor:
        logits_BTV = self.model(input_ids=rows_BT[:, :-1], use_cache=False).logits
        return torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), rows_BT[:, 1:].flatten())

    @torch.no_grad()
    def evaluate(self) -> float:
        """Nats a character of the held-out text, in windows side by side."""
        rows_BT = self.held_out.unfold(0, self.CONTEXT + 1, self.CONTEXT)
        losses = [(self.loss(part).item(), len(part)) for part in rows_BT.split(64)]
        return round(sum(loss * n for loss, n in losses) / len(rows_BT), 4)


def prepare(recipe: Recipe, work: Path) -> tuple[str, str]:
    """Corpus and tokenizer as the recipe's life makes them, once; learned and held-out text."""
    corpus = work / "corpus"
    if not (corpus / "corpus.json").is_file():
        build_corpus(recipe.corpus.sources, corpus, texts_of(recipe))
    learned, held_out = (
        "".join(row["text"] for _, row in read_jsonl(corpus / f"{name}.jsonl"))
        for name in ("train", "validation")
    )
    if not (work / "tokenizer" / "tokenizer.json").is_file():
        tokenizer = train_tokenizer([learned], recipe.tokenizer.vocab_size, recipe.tokenizer.kind)
        tokenizer.save(work / "tokenizer")
    return learned, held_out


def plan(
    recipe: Recipe, learned: str, held_out: str, iterations: int, vocab_size: int, path: Path
) -> dict[str, int]:
    """Our steps in a fifth of the peer's time and in all of it: both speeds measured in turn, once."""
    if path.is_file():
        return read_json(path)
    given, ours, theirs = recipe.pretrain, [], []
    assert given.depth and given.batch_tokens, "the recipe decides its shape"
    trial = Peer(learned, held_out, 30, path.parent / "trial")
    for _ in range(3):
        theirs.append(statistics.median(trial.step() for _ in range(10)))
        rate = throughput(
            given.depth,
            vocab_size,
            given.context,
            precision="float32",
            compiled=False,
            rows=max(1, given.batch_tokens // given.context),
            width=given.width,
        )
        ours.append(given.batch_tokens / rate)
    seconds = MARGIN * iterations * statistics.median(theirs)
    steps = {
        name: max(20, int(share * seconds / statistics.median(ours)))
        for name, share in (("fifth", 0.2), ("whole", 1))
    }
    write_json(path, steps)
    return steps


def live(recipe: Recipe, work: Path, name: str, steps: int, turn: Callable[[float], None]) -> Curve:
    """The recipe's pretraining with so many steps; `turn` is told its seconds after each. Its curve."""
    given = recipe.pretrain
    settings = PretrainSettings.parse(
        {
            "corpus": work / "corpus",
            "tokenizer": work / "tokenizer",
            "steps": steps,
            "evaluate_every": max(1, steps // EVALUATIONS),
            "evaluate_rows": 1_000_000,
            "sample_every": steps,
            "precision": "float32",
            "compile": "off",
            "seed": recipe.seed,
            "sample_prompts": [],
            **{
                key: getattr(given, key)
                for key in (*GIVEN_KEYS, *SHAPE_KEYS)
                if getattr(given, key) is not None
            },
        }
    )
    pretrain(settings, work / name, on_step=lambda row: turn(row["seconds"]))
    rows = read_rows(work / name / "metrics.jsonl")
    return [
        [round(row["seconds"], 2), round(row["validation_loss"], 4)]
        for row in rows
        if "validation_loss" in row
    ]


SHAPE_KEYS = ("depth", "width", "heads", "context", "batch_tokens", "learning_rate")


def first_under(curve: Curve, target: float) -> float | None:
    return next((seconds for seconds, loss in curve if loss <= target), None)


def main(
    iterations: int = 2000, settings: tuple[str, ...] = (), work: Path = Path("runs/bench-shakespeare")
) -> dict[str, Any]:
    """Both curves, the times to 1.88, the losses at the end; `ratios`: the peer's seconds to ours."""
    recipe = load_recipe("shakespeare_char", settings)
    learned, held_out = prepare(recipe, work)
    peer = Peer(learned, held_out, iterations, work / "peer")
    vocab_size = recipe.tokenizer.vocab_size or 320
    steps = plan(recipe, learned, held_out, iterations, vocab_size, work / "steps.json")
    curves = {}
    for name, share in (("fifth", 1.0), ("whole", 0.8)):
        offset = 0.0 if name == "fifth" else curves["fifth"][-1][0]
        due = [0.0]

        def turn(
            seconds: float, share: float = share, offset: float = offset, due: list[float] = due
        ) -> None:
            """The peer is given the same time, or its remaining four fifths spread over all of ours."""
            if seconds - due[0] >= SLICE_S:
                due[0] = seconds
                peer.learn(max(0.0, offset + share * seconds - peer.seconds))

        curves[name] = live(recipe, work, name, steps[name], turn)
    peer.learn(math.inf)
    result = figures(curves, peer, iterations)
    picture(curves, peer, RESULTS / "shakespeare.png")
    shutil.rmtree(work)
    return result


def figures(curves: dict[str, Curve], peer: Peer, iterations: int) -> dict[str, Any]:
    theirs, whole = first_under(peer.curve, TARGET), peer.seconds
    ours = first_under(curves["fifth"], TARGET)
    ratios = {}
    if ours:
        ratios["time_to_1.88"] = round((theirs or whole) / ours, 3)  # not reached: its whole time, at least
        ratios["whole_time_of_the_peer_to_our_1.88"] = round(whole / ours, 3)
    last_s, last = curves["whole"][-1]
    return {
        "ratios": ratios,
        "ratio_spread": {name: [value, value] for name, value in ratios.items()},
        "seconds_to_1.88": {"fragua": ours, "gpt2": theirs},
        "loss": {"fragua_fifth": curves["fifth"][-1][1], "fragua_whole": last, "gpt2": peer.curve[-1][1]},
        "seconds": {"fragua_fifth": curves["fifth"][-1][0], "fragua_whole": last_s, "gpt2": round(whole, 2)},
        "whole_within_the_peers_time": last_s <= whole,
        "iterations": iterations,
        "curves": curves | {"gpt2": peer.curve},
    }


def picture(curves: dict[str, Curve], peer: Peer, path: Path) -> None:
    """Validation loss over training seconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    lines = (
        ("GPT-2 (transformers, nanoGPT's setting)", peer.curve, "#64748b"),
        ("Fragua, planned for a fifth", curves["fifth"], "#f59e0b"),
        ("Fragua, planned for all of it", curves["whole"], "#c2410c"),
    )
    for label, curve, color in lines:
        axes.plot(*zip(*curve, strict=True), color=color, linewidth=2, marker="o", markersize=3, label=label)
    axes.axhline(TARGET, color="#241c15", linewidth=1, linestyle=":")
    axes.set(xlabel="seconds of training", ylabel="nats a character of unseen text")
    axes.legend(frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--work", type=Path, default=Path("runs/bench-shakespeare"))
    given = parser.parse_args()
    told = main(given.iterations, tuple(given.settings), given.work)
    print(json.dumps(write_result("shakespeare", RESULTS / "shakespeare.json", told)))
