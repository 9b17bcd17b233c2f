"""What short texts are about: topics with their sentences, two of which make a text."""

from __future__ import annotations

import random
from typing import Any

from fragua.corpus.aldea.holdout import held_out
from fragua.corpus.aldea.names import table


def topics() -> dict[str, Any]:
    """Topic -> its `name` and what is `said` of it, each a pair Spanish, English."""
    found: dict[str, Any] = table("topics.toml")["topics"]
    return found


def two_said(topic: str, column: int, rng: random.Random, for_exam: bool) -> str:
    """Two sentences of the topic in the language of the column; their pair is the exam's, or everything else's."""
    said = topics()[topic]["said"]
    while True:
        one, two = rng.sample(range(len(said)), 2)
        if held_out(f"topic {topic} {min(one, two)} {max(one, two)}") == for_exam:
            return f"{said[one][column]} {said[two][column]}"
