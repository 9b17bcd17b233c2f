"""A tiny corpus and tokenizer, made once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fragua.files import write_jsonl
from fragua.tokens.train import train_tokenizer
from fragua.training.pretrain import PretrainSettings

WORDS = [
    "la",
    "forja",
    "canta",
    "de",
    "noche",
    "cuando",
    "el",
    "hierro",
    "duerme",
    "the",
    "forge",
    "sings",
    "iron",
]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `corpus/` (300 documents) and `tokenizer/` (512 tokens)."""
    folder, draw = tmp_path_factory.mktemp("tiny"), random.Random(0)
    rows = [{"text": " ".join(draw.choices(WORDS, k=draw.randint(5, 60))), "lang": "es"} for _ in range(300)]
    write_jsonl(folder / "corpus" / "train.jsonl", rows[20:])
    write_jsonl(folder / "corpus" / "validation.jsonl", rows[:20])
    train_tokenizer((row["text"] for row in rows), 512).save(folder / "tokenizer")
    return folder


def settings_for(folder: Path, **changes: object) -> PretrainSettings:
    values: dict[str, object] = dict(
        corpus=folder / "corpus",
        tokenizer=folder / "tokenizer",
        depth=1,
        width=32,
        heads=2,
        context=32,
        steps=12,
        batch_tokens=128,
        compile="off",
        precision="float32",
        sample_every=6,
        evaluate_every=6,
        checkpoint_every_s=0.0,
    )
    return PretrainSettings.parse(values | changes)
