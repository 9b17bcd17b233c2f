"""How often does a genre repeat itself?

The texts of a world, sentence by sentence, with every name (all forms of all entities) and number masked: the share of
the commonest skeleton in each genre and language, how many skeletons there are, and how many come up only once.

    fragua bench variety
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from fragua.corpus.aldea.parsing import skeletons
from fragua.corpus.aldea.telling import Decks
from fragua.corpus.aldea.world import build_world
from fragua.corpus.aldea.write import documents

_FORMULAS = re.compile(r"^(def |    return |\d+:\d\d ).*$|^[^.?\n]*: \d+:\d\d$", re.MULTILINE)
"""Lines of code and rows of a timetable are no sentences."""
SEEDS = (0, 1, 2)
BYTES = 12_000_000
"""Of each world: what a laptop's life reads."""


def measure(seeds: Sequence[int], max_bytes: int) -> dict[str, dict[str, Any]]:
    """'genre language' -> figures of the skeletons of these worlds together, the most repetitive genre first."""
    counts: dict[str, Counter[str]] = {}
    for seed in seeds:
        world = build_world(seed)
        left = max_bytes
        for row in documents(world, Decks(world, random.Random(seed))):
            left -= len(row["text"].encode())
            if left < 0:
                break
            counter = counts.setdefault(f"{row['genre']} {row['lang']}", Counter())
            counter.update(skeletons(_FORMULAS.sub("", row["text"]), row["lang"], world))
    figures = {key: _figures(counter) for key, counter in counts.items()}
    return dict(sorted(figures.items(), key=lambda row: -row[1]["commonest_share"]))


def _figures(counter: Counter[str]) -> dict[str, Any]:
    common = [
        {"skeleton": text, "share": round(n / counter.total(), 5)} for text, n in counter.most_common(3)
    ]
    return {
        "sentences": counter.total(),
        "skeletons": len(counter),
        "commonest_share": common[0]["share"],
        "met_once_share": round(sum(n == 1 for n in counter.values()) / len(counter), 3),
        "commonest": common,
    }


def main() -> dict[str, Any]:
    figures = measure(SEEDS, BYTES)
    for key, row in figures.items():
        first = row["commonest"][0]
        print(f"{key:18} {row['sentences']:7} sentences, {row['skeletons']:6} skeletons", end="")
        print(f"  {first['share']:.3%}  {first['skeleton']}")
    return {"seeds": SEEDS, "bytes_per_world": BYTES, "genres": figures}
