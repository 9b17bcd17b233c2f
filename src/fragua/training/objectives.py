"""An objective gives batches and a summed loss; the trainer knows nothing else about what is learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fragua.models import Decoder
from fragua.models.visibility import documents
from fragua.tokens.loader import Batch, Loader, evaluation_rows
from fragua.tokens.shards import Shards
from fragua.tokens.tokenizer import Tokenizer
from fragua.tokens.windows import Windows
from fragua.training.copying import CopyingLessons
from fragua.training.cross_entropy import IGNORE, chunked_cross_entropy


@dataclass
class LossSum:
    """Summed, never averaged: the trainer divides by the tokens of all micro-batches."""

    loss: Tensor
    """Scalar, nats."""
    tokens: int
    metrics: dict[str, float] = field(default_factory=dict)
    aside: Tensor | None = None
    """A mean that is learned beside it and not told."""

    def total(self, count: int) -> Tensor:
        """The part that this has in the mean over `count` tokens of a step."""
        loss = self.loss if self.aside is None else self.loss + self.tokens * self.aside
        return loss / max(count, 1)


class Objective(Protocol):
    """Batches are what an objective makes of them, of one shape; models what it needs."""

    def batch(self, rows: int) -> Any: ...
    def tokens(self, batch: Any) -> int: ...
    def loss(self, model: Any, batch: Any) -> LossSum: ...
    def validation(self, rows: int) -> Iterator[Any]: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...


def states(model: Decoder, batch: Batch) -> Tensor:
    """What the head reads, [B, T, D]; no token sees another document."""
    device = model.head.weight.device
    ids_BT, documents_BT = (torch.from_numpy(part).to(device) for part in (batch.ids_BT, batch.documents_BT))
    return model.hidden(ids_BT, documents(documents_BT))


class NextToken:
    """Next-token prediction inside each packed document: pretraining, and fine-tuning where the shards carry a mask."""

    def __init__(
        self,
        train: Shards,
        validation: Shards,
        tokenizer: Tokenizer,
        context: int,
        seed: int,
        split_long: bool,
        copying_rows: int = 0,
        windows: bool = False,
    ):
        """copying_rows: so many rows from the start on are mixed with copying lessons. windows: over few long texts."""
        self.loader: Loader | Windows = (
            Windows(train, context, seed) if windows else Loader(train, context, seed, split_long=split_long)
        )
        self.held_out, self.context, self.split_long = validation, context, split_long
        self.bytes_V = tokenizer.byte_lengths_V
        self.lessons = CopyingLessons(copying_rows, context, np.flatnonzero(self.bytes_V), seed)
        self.drawn = 0

    def batch(self, rows: int) -> Batch:
        first, self.drawn = self.drawn, self.drawn + rows
        lessons = self.lessons.numbers(first, rows)
        return self.lessons.above(self.loader.rows(rows - len(lessons)), lessons)

    def tokens(self, batch: Batch) -> int:
        """Predictions that count."""
        return int((batch.targets_BT != IGNORE).sum())

    def loss(self, model: Decoder, batch: Batch) -> LossSum:
        return self.summed(model, states(model, batch), batch.targets_BT)

    def summed(self, model: Decoder, x_BTD: Tensor, targets_BT: np.ndarray) -> LossSum:
        """The loss of the head's logits at states x."""
        wanted_N = torch.from_numpy(targets_BT).to(x_BTD.device).flatten()
        loss = chunked_cross_entropy(x_BTD.flatten(0, 1), model.head.weight, wanted_N)
        counted = targets_BT[targets_BT != IGNORE]
        return LossSum(loss, counted.size, {"bytes": float(self.bytes_V[counted].sum())})

    def validation(self, rows: int) -> Iterator[Batch]:
        return evaluation_rows(self.held_out, self.context, rows, split_long=self.split_long)

    def state(self) -> dict[str, Any]:
        return {"drawn": self.drawn, "loader": self.loader.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self.drawn = state["drawn"]
        self.loader.restore(state["loader"])
