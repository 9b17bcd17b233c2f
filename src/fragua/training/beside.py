"""Texts read on between conversations, so that fine-tuning does not wipe out what only they tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fragua.errors import InputError
from fragua.files import digest_file
from fragua.models import Decoder
from fragua.tokens.loader import Batch
from fragua.tokens.prepare import tokenize_corpus
from fragua.tokens.shards import Shards
from fragua.tokens.sources import Texts
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.cross_entropy import IGNORE
from fragua.training.objectives import LossSum, NextToken, states

SHARDS = "shards/texts"
"""Goes with the other shards at the end."""


class Mixed(NamedTuple):
    rows: Batch
    told: int
    """The first so many rows are conversations, the others texts."""


class Beside:
    """Rows of conversations, and this share of rows of texts behind them: pretraining data injected into fine-tuning
    (Bethune et al. 2025, 2502.06042). A token of texts counts `weight` tokens of a reply: texts can't be told
    beforehand as replies can, so their losses would drown those. What is told as the loss is the replies' own. Both go
    through in one batch of one shape, for which the blocks are compiled."""

    def __init__(self, conversations: NextToken, texts: NextToken, share: float, weight: float):
        self.conversations, self.texts, self.share, self.weight = conversations, texts, share, weight
        self.drawn = 0

    def batch(self, rows: int) -> Mixed:
        first, self.drawn = self.drawn, self.drawn + rows
        read = int(self.drawn * self.share) - int(first * self.share)
        told = self.conversations.batch(rows - read)
        if not read:
            return Mixed(told, rows)
        both = zip(told, self.texts.batch(read), strict=True)
        return Mixed(Batch(*(np.concatenate(arrays) for arrays in both)), rows - read)

    def tokens(self, batch: Mixed) -> int:
        return int((batch.rows.targets_BT[: batch.told] != IGNORE).sum())

    def loss(self, model: Decoder, batch: Mixed) -> LossSum:
        x_BTD, targets_BT, at = states(model, batch.rows), batch.rows.targets_BT, batch.told
        told = self.conversations.summed(model, x_BTD[:at], targets_BT[:at])
        if at < len(x_BTD) and told.tokens:
            read = self.texts.summed(model, x_BTD[at:], targets_BT[at:])
            told.aside = self.weight * read.loss / told.tokens
        return told

    def validation(self, rows: int) -> Iterator[Mixed]:
        """Of conversations alone."""
        for batch in self.conversations.validation(rows):
            yield Mixed(batch, len(batch.ids_BT))

    def state(self) -> dict[str, Any]:
        parts = {"conversations": self.conversations.state(), "texts": self.texts.state()}
        return {"drawn": self.drawn, **parts}

    def restore(self, state: dict[str, Any]) -> None:
        self.drawn = state["drawn"]
        self.conversations.restore(state["conversations"])
        self.texts.restore(state["texts"])


def texts_digest(texts: Path | None) -> dict[str, str]:
    """For `claim`. Raises InputError where there is no such file."""
    return {"texts": digest_file(Texts(texts).path)} if texts else {}


def open_texts(
    texts: Path, genres: Sequence[str], most_tokens: float, tokenizer: Tokenizer, out: Path
) -> Shards:
    """The tokens of texts of these genres, made once: of the documents from the beginning on, as many as hold so many.

    Raises InputError where no text is of these."""
    folder = out / SHARDS
    if not (folder / "index.json").is_file():
        if genres and next(Texts(texts, genres).documents(), None) is None:
            raise InputError(f"no text is of the genre {' or '.join(genres)}", Texts(texts).path)
        tokenize_corpus(texts, tokenizer, folder, most_tokens, genres)
    return Shards.open(folder)
