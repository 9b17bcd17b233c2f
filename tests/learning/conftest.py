"""Tiny models of every kind that know nothing, and rows that are easily learned."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fragua.files import write_jsonl
from fragua.models import initialise
from fragua.models.build import build
from fragua.models.family_start import start_family
from fragua.models.io import save_model
from fragua.models.presets import preset
from fragua.tokens.train import train_tokenizer

FILLING = [
    "la",
    "forja",
    "canta",
    "de",
    "noche",
    "cuando",
    "el",
    "hierro",
    "duerme",
    "y",
    "la",
    "niña",
    "mira",
]
PLACES = ["lima", "quito", "nueva roma"]
FAMILIES = ("bert", "roberta", "xlnet", "t5", "gpt2", "llama", "qwen3")


def write_family(family: str, folder: Path) -> Path:
    tokenizer = train_tokenizer([" ".join([*FILLING, *PLACES, "bueno", "malo"])] * 20, 400, family=family)
    tokenizer.save(folder)
    config = preset(
        family,  # type: ignore[arg-type]
        2,
        tokenizer.vocab_size,
        64,
        width=32,
        heads=2,
        pad_id=tokenizer.pad_id or 0,
    )
    model = build(config)
    initialise(model, 1)
    start_family(model, 1)
    save_model(model, folder, generation={"eos_token_id": tokenizer.end_id, "pad_token_id": tokenizer.pad_id})
    return folder


@pytest.fixture(scope="session")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bodies")
    return {family: write_family(family, folder / family) for family in FAMILIES}


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`labels`, `numbers`, `pairs` and `tags` .jsonl: which words are there, where the places are."""
    folder, draw = tmp_path_factory.mktemp("rows"), random.Random(0)
    labels, numbers, pairs, tags = [], [], [], []
    for number in range(160):
        good = number % 2 == 0
        words = draw.choices(FILLING[:6] if good else FILLING[6:], k=draw.randint(2, 9))
        place = draw.randrange(len(words) + 1)
        said = " ".join([*words[:place], "bueno" if good else "malo", *words[place:]])
        labels.append({"text": said, "label": "good" if good else "bad"})
        numbers.append({"text": said, "label": 107.0 if good else 93.0})
        other = draw.choice(["bueno", "malo"])
        pairs.append({"text": said, "pair": other, "label": str((other == "bueno") == good)})
        named = draw.choice(PLACES).split()
        marked = ["B-LOC", *["I-LOC"] * (len(named) - 1)]
        tags.append(
            {
                "words": [*words[:place], *named, *words[place:]],
                "tags": ["O"] * place + marked + ["O"] * (len(words) - place),
            }
        )
    for name, part in (("labels", labels), ("numbers", numbers), ("pairs", pairs), ("tags", tags)):
        write_jsonl(folder / f"{name}.jsonl", part)
    return folder
