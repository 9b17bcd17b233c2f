"""Learning labels: of texts, of pairs, of words, and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fragua.corpus.labelled import Example
from fragua.inference.encoding import batches, padded
from fragua.inference.labelling import framed_text, framed_words, joined
from fragua.models.calls import Model
from fragua.models.encoder import Encoder
from fragua.models.heads import pool
from fragua.tokens.tokenizer import Framed, Tokenizer
from fragua.training.objectives import LossSum
from fragua.training.rows import chance


@dataclass(frozen=True)
class Row:
    """A text as the model reads it, and what is to be learned of it."""

    framed: Framed
    places: list[int]
    """Of words: where the first token of each stands."""
    targets: np.ndarray
    """int64 [words], [1] of a text; float32 [1] where it is a number."""
    x_ND: Tensor | None = None
    """The states that the head reads, where they stand still."""


class Labelling:
    """Rows in a new order each epoch. A prediction is a text's, or a word's; the loss is cross-entropy, or of numbers
    the squared error in deviations of those that are learned from."""

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        train: Sequence[Example],
        held_out: Sequence[Example],
        seed: int,
    ):
        self.seed, self.drawn, self.cut = seed, 0, 0
        self.tags = model.config.task == "tag"
        self.numbers = model.config.task == "label" and model.config.labels == 1
        self.centre, self.spread = 0.0, 1.0
        if self.numbers:
            values_N = np.array([each.target for each in train], dtype=np.float64)
            self.centre = float(values_N.mean()) if model.config.label_bias else 0.0
            self.spread = max(float(np.sqrt(((values_N - self.centre) ** 2).mean())), 1e-6)
        self.train = [self._row(each, model, tokenizer) for each in train]
        self.held_out = [self._row(each, model, tokenizer) for each in held_out]

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return max(len(row.framed.ids) for row in (*self.train, *self.held_out))

    def freeze(self, model: Model) -> None:
        """Computes what the head reads of every row once; from then on only the head is run."""
        self.train, self.held_out = (_frozen(model, rows) for rows in (self.train, self.held_out))

    @torch.no_grad()
    def unfold(self, model: Model) -> None:
        """Makes a head that has learned in deviations tell the numbers themselves."""
        model.classifier.weight.mul_(self.spread)
        if model.config.label_bias:
            model.classifier.bias.mul_(self.spread).add_(self.centre)

    def batch(self, rows: int) -> list[Row]:
        size, first, self.drawn = len(self.train), self.drawn, self.drawn + rows
        epochs = range(first // size, (first + rows - 1) // size + 1)
        order = np.concatenate([chance(self.seed, epoch).permutation(size) for epoch in epochs])
        start = first - epochs.start * size
        return [self.train[place] for place in order[start : start + rows]]

    def tokens(self, batch: list[Row]) -> int:
        """Predictions that count."""
        return sum(len(row.targets) for row in batch)

    def loss(self, model: Model, batch: list[Row]) -> LossSum:
        logits_NL = model.judge(picked(model, batch)).float()
        targets_N = torch.from_numpy(np.concatenate([row.targets for row in batch])).to(logits_NL.device)
        if self.numbers:
            return LossSum(((logits_NL[:, 0] - targets_N) ** 2).sum(), len(targets_N))
        loss = F.cross_entropy(logits_NL, targets_N, reduction="sum")
        right = float((logits_NL.argmax(1) == targets_N).sum())
        return LossSum(loss, len(targets_N), {"accuracy": right})

    def validation(self, rows: int) -> Iterator[list[Row]]:
        for start in range(0, len(self.held_out), rows):
            yield self.held_out[start : start + rows]

    def state(self) -> dict[str, Any]:
        return {"drawn": self.drawn}

    def restore(self, state: dict[str, Any]) -> None:
        self.drawn = state["drawn"]

    def _row(self, example: Example, model: Model, tokenizer: Tokenizer) -> Row:
        config, target = model.config, example.target
        if self.tags:
            assert isinstance(target, tuple), "words have tags"
            text, bounds = joined(example.words)
            framed, places = framed_words(tokenizer, text, bounds, config.context)
            labels = [
                config.label_names.index(tag)
                for tag, at in zip(target, places, strict=True)
                if at is not None
            ]
            self.cut += len(labels) < len(target)
            return Row(framed, [at for at in places if at is not None], np.array(labels, dtype=np.int64))
        framed = framed_text(tokenizer, example.text, example.pair, config.context)
        if self.numbers:
            assert isinstance(target, float), "a number is learned"
            targets = np.array([(target - self.centre) / self.spread], dtype=np.float32)
        else:
            targets = np.array([config.label_names.index(str(target))], dtype=np.int64)
        self.cut += len(framed.ids) == config.context
        return Row(framed, [], targets)


def picked(model: Model, batch: Sequence[Row]) -> Tensor:
    """The states that the head reads, [N, D]: one a text, or one a word."""
    held = [row.x_ND for row in batch if row.x_ND is not None]
    if held:
        return torch.cat(held)
    ids_BT, mask_BT, types_BT = padded(model, [row.framed for row in batch])
    x_BTD = _states(model, ids_BT, mask_BT, types_BT)
    if model.config.task == "label":
        return pool(x_BTD, mask_BT, model.config.pooling)
    rows = [number for number, row in enumerate(batch) for _ in row.places]
    return x_BTD[rows, [place for row in batch for place in row.places]]


def _states(model: Model, ids_BT: Tensor, mask_BT: Tensor, types_BT: Tensor | None) -> Tensor:
    """Encoders compute those of real tokens alone."""
    if not isinstance(model, Encoder):
        return model.labelled_states(ids_BT, mask_BT, types_BT)
    x_ND = model.real_states(ids_BT, mask_BT, types_BT)
    whole_BTD = x_ND.new_zeros(*ids_BT.shape, x_ND.shape[1])
    return whole_BTD.index_put((mask_BT.bool(),), x_ND)


@torch.no_grad()
def _frozen(model: Model, rows: Sequence[Row]) -> list[Row]:
    found: dict[int, Tensor] = {}
    for places, *_ in batches(model, [row.framed for row in rows]):
        batch = [rows[place] for place in places]
        parts = picked(model, batch).split([len(row.targets) for row in batch])
        found |= dict(zip(places, parts, strict=True))
    return [Row(row.framed, row.places, row.targets, found[place].clone()) for place, row in enumerate(rows)]
