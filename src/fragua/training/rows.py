"""What objectives share that corrupt rows of text: rows by number, chance by number, exact resume."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fragua.models.calls import Model
from fragua.tokens.loader import NO_DOCUMENT, Loader, evaluation_rows
from fragua.tokens.shards import Shards
from fragua.training.cross_entropy import IGNORE, chunked_cross_entropy
from fragua.training.vocabulary import Vocabulary

TRAINED, HELD_OUT = 0, 1


def chance(*numbers: int) -> np.random.Generator:
    """The same numbers give the same draws, on every platform."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(numbers)))


class Targeted(Protocol):
    @property
    def targets_BT(self) -> np.ndarray: ...


class Corrupted(ABC):
    """An objective over packed rows of `length` tokens; those who inherit make a batch of texts."""

    def __init__(self, train: Shards, validation: Shards, vocabulary: Vocabulary, length: int, seed: int):
        self.loader = Loader(train, length, seed)
        self.held_out, self.vocabulary, self.length, self.seed = validation, vocabulary, length, seed
        self.drawn = 0

    @abstractmethod
    def made(self, texts: list[np.ndarray], chances: list[np.random.Generator]) -> Any:
        """A batch of the rows' tokens, without padding, int64 each."""

    def batch(self, rows: int) -> Any:
        first, self.drawn = self.drawn, self.drawn + rows
        batch = self.loader.rows(rows)
        return self._made(batch.ids_BT, batch.documents_BT, TRAINED, first)

    def validation(self, rows: int) -> Iterator[Any]:
        for number, batch in enumerate(evaluation_rows(self.held_out, self.length, rows)):
            yield self._made(batch.ids_BT, batch.documents_BT, HELD_OUT, number * rows)

    def tokens(self, batch: Targeted) -> int:
        return int((batch.targets_BT != IGNORE).sum())

    def state(self) -> dict[str, Any]:
        return {"drawn": self.drawn, "loader": self.loader.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self.drawn = state["drawn"]
        self.loader.restore(state["loader"])

    def _made(self, ids_BT: np.ndarray, documents_BT: np.ndarray, stream: int, first: int) -> Any:
        real_BT = documents_BT != NO_DOCUMENT
        texts = [ids_T[real_T] for ids_T, real_T in zip(ids_BT, real_BT, strict=True)]
        return self.made(texts, [chance(self.seed, stream, first + row) for row in range(len(texts))])


def stacked(rows: list[np.ndarray], length: int, filling: int) -> np.ndarray:
    """Rows filled up on the right: int64 [B, length]."""
    whole_BT = np.full((len(rows), length), filling, dtype=np.int64)
    for whole_T, row in zip(whole_BT, rows, strict=True):
        whole_T[: len(row)] = row
    return whole_BT


def on(device: torch.device, *arrays: np.ndarray) -> Iterator[Tensor]:
    return (torch.from_numpy(array).to(device) for array in arrays)


def summed_loss(model: Model, x_ND: Tensor, targets_N: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in nats of the head's logits at states x; IGNORE counts nothing.

    `smoothing`, of heads that write, as `chunked_cross_entropy` has it."""
    x_ND = model.before_head(x_ND)
    if model.config.visible == "causal":  # without a bias
        return chunked_cross_entropy(x_ND, model.head.weight, targets_N, smoothing=smoothing)
    logits_NV = model.head(x_ND).float()
    return F.cross_entropy(logits_NV, targets_N, ignore_index=IGNORE, reduction="sum")


def counted_bytes(vocabulary: Vocabulary, targets_BT: np.ndarray) -> dict[str, float]:
    """The bytes of the tokens that were to be predicted."""
    return {"bytes": float(vocabulary.bytes_V[targets_BT[targets_BT != IGNORE]].sum())}
