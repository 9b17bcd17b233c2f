"""A log of comparisons in which a person prefers short answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fragua.files import write_jsonl

NAMES = ("Íñigo", "Elena", "Bruno", "Marta", "Olga", "Pedro", "Rosa", "Tomás")


def comparison(number: int, good: str, bad: str, **fields: Any) -> dict[str, Any]:
    question = f"¿Quién es {NAMES[number % len(NAMES)]} {number}?"
    return {
        "id": str(number),
        "kind": "comparison",
        "at": "2026-01-02T03:04:05+00:00",
        "annotator": "a",
        "seconds": 1.0,
        "prompt": [{"role": "user", "content": question}],
        "candidates": [{"text": bad}, {"text": good}],
        "order": [1, 0],
        "verdict": "best",
        "ranking": [1],
    } | fields


@pytest.fixture(scope="session")
def feedback(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        comparison(n, f"Es {NAMES[n % 3]}.", f"Es {NAMES[n % 5]}, y nada más que decir.") for n in range(60)
    ]
    path = tmp_path_factory.mktemp("feedback") / "log.jsonl"
    write_jsonl(path, rows)
    return path
