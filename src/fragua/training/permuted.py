"""Permutation language modelling (Yang et al. 2019, 1906.08237, sections 2.2, 2.3 and appendix A)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fragua.models.permuting import Permuting
from fragua.tokens.shards import Shards
from fragua.training.cross_entropy import IGNORE
from fragua.training.objectives import LossSum
from fragua.training.rows import Corrupted, counted_bytes, on, stacked
from fragua.training.vocabulary import Vocabulary

PREDICTED = 6
"""K: the last 1/K of an order is predicted."""
LONGEST_SPAN = 5
CONTEXT = -1
"""The place in the order of what is never predicted: before all others."""


def last_spans(may_T: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """bool [T]: spans of 1 to 5 tokens, each somewhere in a stretch K times as long, of those that may be predicted."""
    last_T, start = np.zeros(len(may_T), dtype=bool), 0
    while start < len(may_T):
        span = int(chance.integers(1, LONGEST_SPAN + 1))
        first = start + int(chance.integers(span * (PREDICTED - 1) + 1))
        last_T[first : first + span] = True
        start += span * PREDICTED
    return last_T & may_T


def order_of(last_T: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """The place of each token in the order, int64 [T]: context first, then those to predict in a random order."""
    order_T = np.full(len(last_T), CONTEXT)
    order_T[last_T] = chance.permutation(int(last_T.sum()))
    return order_T


def unseen(order_BT: Tensor) -> Tensor:
    """transformers' `perm_mask`, bool [B, T, T]: the first may not see the second, which comes later or is itself to be
    predicted."""
    return (order_BT[:, :, None] <= order_BT[:, None, :]) & (order_BT != CONTEXT)[:, None, :]


class PermutedBatch(NamedTuple):
    """int64 [B, T]; of the predicted places int64 [B, P], -1 and IGNORE where a row has fewer."""

    ids_BT: np.ndarray
    real_BT: np.ndarray
    types_BT: np.ndarray
    order_BT: np.ndarray
    places_BP: np.ndarray
    targets_BT: np.ndarray


def mapping(places_BP: Tensor, length: int) -> Tensor:
    """transformers' `target_mapping`, float [B, P, T]: each row marks the place it asks for, or none."""
    return F.one_hot(places_BP + 1, length + 1)[:, :, 1:].float()


class Permutation(Corrupted):
    """Full rows, their last spans in an order predicted by rows that see no token of their own."""

    def __init__(self, train: Shards, validation: Shards, vocabulary: Vocabulary, context: int, seed: int):
        super().__init__(train, validation, vocabulary, context - 2, seed)
        self.most = context // PREDICTED + LONGEST_SPAN

    def made(self, texts: list[np.ndarray], chances: list[np.random.Generator]) -> PermutedBatch:
        tokens, context = self.vocabulary, self.length + 2
        rows = [np.concatenate((text, [tokens.sep_id, tokens.cls_id])) for text in texts]
        orders = [
            order_of(last_spans(self.vocabulary.text_V[row], draws), draws)
            for row, draws in zip(rows, chances, strict=True)
        ]
        places = [np.flatnonzero(order_T != CONTEXT) for order_T in orders]
        return PermutedBatch(
            stacked(rows, context, tokens.pad_id),
            stacked([np.ones_like(row) for row in rows], context, 0),
            stacked([np.append(np.zeros_like(row[1:]), 2) for row in rows], context, 0),
            stacked(orders, context, CONTEXT),
            stacked(places, self.most, -1),
            stacked([row[place] for row, place in zip(rows, places, strict=True)], self.most, IGNORE),
        )

    def loss(self, model: Permuting, batch: PermutedBatch) -> LossSum:
        ids_BT, real_BT, types_BT, order_BT, places_BP, targets_BP = on(model.device, *batch)
        logits_BPV = model(
            ids_BT,
            real_BT,
            token_type_ids=types_BT,
            perm_mask=unseen(order_BT),
            target_mapping=mapping(places_BP, ids_BT.shape[1]),
        ).logits
        assert isinstance(logits_BPV, torch.Tensor), "it is trained with its head"
        loss = F.cross_entropy(
            logits_BPV.flatten(0, 1).float(), targets_BP.flatten(), ignore_index=IGNORE, reduction="sum"
        )
        return LossSum(loss, self.tokens(batch), counted_bytes(self.vocabulary, batch.targets_BT))
