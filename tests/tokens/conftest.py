"""A small tokenizer of a few Spanish and English sentences, and one of real ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_samples import SENTENCES

from fragua.tokens.tokenizer import Tokenizer
from fragua.tokens.train import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer(SENTENCES * 3, 512)


@pytest.fixture(scope="session")
def tatoeba(data_dir: Path) -> list[str]:
    """English sentence, tab, Spanish sentence."""
    return (data_dir / "tatoeba_spa_eng" / "spa.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="session")
def real_tokenizer(tatoeba: list[str]) -> Tokenizer:
    return train_tokenizer(tatoeba[::8], 2048)
