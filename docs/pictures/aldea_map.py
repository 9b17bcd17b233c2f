"""Draws the map of a world from its graph: mountains, the rivers that rise on them, the villages along each river.

    python docs/pictures/aldea_map.py --seed 0

The graph says which river rises where and passes which village; from source to mouth the villages stand by age."""

from __future__ import annotations

import argparse
import math
from itertools import pairwise
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from fragua.corpus.aldea.entities import Entity, World
from fragua.corpus.aldea.world import build_world

LAND, WATER, ROCK, ROOF, INK = "#f3ecd8", "#5b8fb0", "#7c6f5f", "#b4472f", "#3a332a"
HALO = [withStroke(linewidth=3, foreground=LAND)]
TOP, BOTTOM, GAP = 8.4, 1.1, 2.6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "aldea-map.png")
    args = parser.parse_args()
    draw(build_world(args.seed), args.out)


def draw(world: World, out: Path) -> None:
    rivers = world.of_kind("river")
    figure, axes = plt.subplots(figsize=(13, 9), facecolor=LAND)
    axes.set_facecolor(LAND)
    for number, river in enumerate(rivers):
        _river(axes, world, river, number)
    width = GAP * len(rivers)
    shore = [0.45 + 0.08 * math.sin(at / 3) for at in range(60)]
    axes.fill_between(
        [width * at / 59 for at in range(60)], -0.2, shore, color=WATER, alpha=0.55, linewidth=0
    )
    axes.text(width / 2, 0.05, "el lago · the lake", ha="center", va="center", style="italic", color="white")
    axes.set(xlim=(0, width), ylim=(-0.2, 9.8))
    axes.axis("off")
    axes.set_title(
        f"El valle de Aldea · The valley of Aldea (seed {world.seed})", fontsize=17, color=INK, family="serif"
    )
    axes.legend(handles=_legend(), loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4, frameon=False)
    figure.savefig(out, dpi=110, bbox_inches="tight", facecolor=LAND)
    plt.close(figure)


def _river(axes: Axes, world: World, river: Entity, number: int) -> None:
    """One river from its mountain to the lake, with its villages on alternating banks."""
    middle = GAP * (number + 0.55)

    def bend(y: float) -> float:
        return middle + 0.28 * math.sin(1.3 * y + 1.7 * number)

    heights = [TOP - (TOP - 0.4) * at / 80 for at in range(81)]
    for at, (above, below) in enumerate(pairwise(heights)):
        axes.plot(
            [bend(above), bend(below)], [above, below], color=WATER, lw=1.2 + at / 22, solid_capstyle="round"
        )
    source = world.find(river, "rises_in")
    assert source is not None
    axes.plot(bend(TOP), TOP + 0.25, "^", ms=30, color=ROCK)
    axes.plot(bend(TOP), TOP + 0.4, "^", ms=12, color="white")
    axes.text(bend(TOP), TOP + 0.85, source.es.bare, ha="center", color=INK, weight="bold", fontsize=10)
    axes.text(
        bend(7.5) + 0.1, 7.5, river.es.bare, color=WATER, style="italic", fontsize=10, path_effects=HALO
    )
    villages = [fact.subject for fact in world.about(river) if fact.relation == "near_river"]
    villages.sort(key=lambda village: _year(world, village))
    for at, village in enumerate(villages):
        y = 6.6 - (6.6 - BOTTOM) * (at + 0.5 * (number % 2)) / max(1, len(villages) - 0.5)
        side, align = (1, "left") if at % 2 else (-1, "right")
        x = bend(y) + 0.16 * side
        product = world.find(village, "known_for")
        assert product is not None
        axes.plot(x, y, "p", ms=11, color=ROOF, mec=INK, mew=0.8)
        sells = f"{product.es.bare} · {_year(world, village)}"
        for dy, text, size, color in ((0.09, village.es.full, 10.5, INK), (-0.17, sells, 7.5, ROCK)):
            axes.text(x + 0.16 * side, y + dy, text, ha=align, va="center", fontsize=size, color=color)


def _year(world: World, village: Entity) -> str:
    founded = world.find(village, "founded")
    assert founded is not None
    return founded.es.full


def _legend() -> list[Line2D]:
    def mark(sign: str, color: str, text: str) -> Line2D:
        return Line2D([], [], marker=sign, ls="", ms=11, color=color, label=text)

    return [
        mark("^", ROCK, "monte · mountain"),
        Line2D([], [], color=WATER, lw=3, label="río · river"),
        mark("p", ROOF, "pueblo · village"),
        mark("", INK, "lo que vende y año de fundación · what it sells, year of founding"),
    ]


if __name__ == "__main__":
    main()
