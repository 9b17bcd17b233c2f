"""Did learning from feedback work? An assistant, a judge of 2,000 comparisons, and policies beside their controls.

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
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.alignment_cells import BEST_OF, FULL, SMOKE, Cells, Size
from benchmarks.preferences import assistant

from fragua.alignment.audit import bootstrap
from fragua.alignment.best import best_of_kl
from fragua.files import atomic_write
from fragua.training.machine import write_result

FOLDER = Path(__file__).parent / "results"
FLOORS = {
    "ppo_win_rate": 0.65,
    "ppo_kl_nats": 10.0,
    "shuffled_win_rate": (0.45, 0.55),
    "grpo_multistep_before": 0.5,
    "grpo_multistep_after": 0.8,
    "exam_change_points": -2.0,
}


def main(
    seeds: tuple[int, ...] = (0, 1, 2),
    model: Path | None = None,
    world: int = 0,
    runs: Path = Path("runs/alignment"),
    size: Size = FULL,
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


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"value": statistics.fmean(values), "low": min(values), "high": max(values), "n": len(values)}


def _by_seed(row: dict[str, Any]) -> dict[str, Any]:
    names = ("ppo", "dpo", "chosen", "bon", "shuffled", "gold_ceiling")
    means = {name: float(np.mean(row[name]["wins"])) for name in names}
    means |= {name: float(np.mean(row["multistep"][name])) for name in ("before", "after")}
    means |= {f"loop_{number}": told["win_rate"]["value"] for number, told in enumerate(row["loop"], 1)}
    if row.get("exam_change"):
        means["exam_change_points"] = 100 * float(np.mean(row["exam_change"]))
    return means | {"ppo_kl_nats": float(np.mean(row["ppo"]["kl"]))}


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
    figures = main(tuple(given.seeds), given.model, given.world, given.runs, SMOKE if given.smoke else FULL)
    if not given.smoke:
        write_result("alignment", FOLDER / "alignment.json", figures)
    print(json.dumps(figures["figures"], indent=1))
