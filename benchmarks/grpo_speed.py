"""How many answers a second does GRPO draw, judge and learn from, beside TRL's trainer?

The same model, prompts, group size and lengths: 32 answers a step in groups of 8, of 48 tokens at most, by turns.
`ratios` is ours to TRL's, `ratio_spread` the smallest and the largest of the turns; the first step of each counts for
neither.

    fragua bench grpo_speed
    python -m benchmarks.grpo_speed --model runs/laptop/assistant
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.preferences import assistant

from fragua.alignment.audit import held_out_items
from fragua.alignment.optimise import OptimiseSettings, optimise
from fragua.corpus.aldea.world import build_world
from fragua.files import write_jsonl
from fragua.training.machine import write_result

RESULTS = Path(__file__).parent / "results"
ANSWERS, GROUP, TOKENS = 32, 8, 48
FLOOR, GOAL = 2.0, 4.0
Prompts = list[list[dict[str, Any]]]


def main(
    model: Path | None = None,
    steps: int = 12,
    rounds: int = 3,
    world: int = 0,
    runs: Path = Path("runs/alignment"),
) -> dict[str, Any]:
    """Answers a second of whole steps of both, `rounds` times in turn."""
    model = model or assistant(world, runs)
    prompts: Prompts = [item.messages for item in held_out_items(build_world(world), 5, 64)]
    ours, theirs = [], []
    for turn in range(rounds):
        ours.append(our_speed(model, prompts, steps, turn))
        theirs.append(trl_speed(model, prompts, steps, turn))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {
        "ratios": {"samples_per_s": statistics.median(ratios)},
        "ratio_spread": {"samples_per_s": [min(ratios), max(ratios)]},
        "floor": FLOOR,
        "goal": GOAL,
        "samples_per_s": {"fragua": ours, "trl": theirs},
    }


def our_speed(model: Path, prompts: Prompts, steps: int, seed: int) -> float:
    stamps: list[float] = []
    with TemporaryDirectory() as folder:
        write_jsonl(Path(folder) / "prompts.jsonl", ({"prompt": messages} for messages in prompts))
        how = OptimiseSettings.parse(
            dict(
                model=model, method="grpo", prompts=Path(folder) / "prompts.jsonl", reward=("format=.*a.*",),
                rounds=steps + 1, rollouts=ANSWERS, group=GROUP, batch=ANSWERS, max_tokens=TOKENS, seed=seed,
                held_out=1, evaluate_every=1000, checkpoint_every_s=1000, kl=0.04, learning_rate=1e-6,
            )
        )  # fmt: skip
        optimise(how, Path(folder) / "out", on_step=lambda row: stamps.append(time.monotonic()))
    return ANSWERS * (steps - 1) / (stamps[-2] - stamps[0])  # the last step also evaluates


def trl_speed(model: Path, prompts: Prompts, steps: int, seed: int) -> float:
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    stamps: list[float] = []

    class Stamp(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *args: Any, **named: Any) -> None:
            stamps.append(time.monotonic())

    def reward(completions: list[Any], **_: Any) -> list[float]:
        return [float("a" in message[-1]["content"]) for message in completions]

    with TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            output_dir=folder, use_cpu=True, report_to=[], bf16=False, gradient_checkpointing=False, max_steps=steps,
            per_device_train_batch_size=ANSWERS, num_generations=GROUP, max_completion_length=TOKENS, beta=0.04,
            learning_rate=1e-6, save_strategy="no", logging_strategy="no", disable_tqdm=True, seed=seed,
        )  # fmt: skip
        trainer = GRPOTrainer(
            model=str(model),
            reward_funcs=reward,
            args=arguments,
            train_dataset=Dataset.from_list([{"prompt": messages} for messages in prompts]),
            callbacks=[Stamp()],
        )
        trainer.train()
    return ANSWERS * (len(stamps) - 1) / (stamps[-1] - stamps[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="an assistant; without one, one is made")
    parser.add_argument("--steps", type=int, default=12)
    given = parser.parse_args()
    told = write_result("grpo_speed", RESULTS / "grpo_speed.json", main(given.model, given.steps))
    print(json.dumps(told))
