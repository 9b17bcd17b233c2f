"""Masked language modelling: BERT's pairs with masks that stay, RoBERTa's full sentences with masks anew."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from torch.nn import functional as F

from fragua.errors import InputError
from fragua.models.encoder import Encoder
from fragua.tokens.loader import permutation
from fragua.tokens.shards import Shards
from fragua.training.cross_entropy import IGNORE
from fragua.training.masking import RATE, choose, disturb
from fragua.training.objectives import LossSum
from fragua.training.pairs import Pair, pairs_of
from fragua.training.rows import HELD_OUT, TRAINED, Corrupted, chance, counted_bytes, on, stacked, summed_loss
from fragua.training.vocabulary import Vocabulary

COPIES = 10
"""Different pairs and masks of a text; from the eleventh epoch on they come again (1907.11692, section 4.1)."""


class MaskedBatch(NamedTuple):
    """int64 [B, T]; `labels_B` int64: of pairs, IGNORE where there is none."""

    ids_BT: np.ndarray
    real_BT: np.ndarray
    types_BT: np.ndarray
    targets_BT: np.ndarray
    labels_B: np.ndarray


class Masking:
    """How a row of tokens becomes one to restore."""

    def __init__(self, vocabulary: Vocabulary, whole_words: bool):
        self.vocabulary, self.whole_words = vocabulary, whole_words

    def batch(
        self,
        rows: list[np.ndarray],
        types: list[np.ndarray],
        labels: list[int],
        length: int,
        chances: list[np.random.Generator],
    ) -> MaskedBatch:
        masked, targets = zip(*map(self._masked, rows, chances), strict=True)
        return MaskedBatch(
            stacked(list(masked), length, self.vocabulary.pad_id),
            stacked([np.ones_like(row) for row in rows], length, 0),
            stacked(types, length, 0),
            stacked(list(targets), length, IGNORE),
            np.array(labels, dtype=np.int64),
        )

    def _masked(self, ids_T: np.ndarray, draws: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        if self.whole_words:
            words_T = self.vocabulary.words(ids_T)
        else:
            words_T = np.where(self.vocabulary.text_V[ids_T], np.arange(len(ids_T)), -1)
        chosen_T = choose(words_T, RATE, draws)
        disturbed_T = disturb(ids_T, chosen_T, self.vocabulary.mask_id, self.vocabulary.ordinary_N, draws)
        return disturbed_T, np.where(chosen_T, ids_T, IGNORE)


def masked_loss(model: Encoder, batch: MaskedBatch, vocabulary: Vocabulary) -> LossSum:
    """Of the chosen tokens alone; of the pairs beside it, where there are any."""
    arrays = (batch.ids_BT, batch.real_BT, batch.types_BT, batch.targets_BT, batch.labels_B)
    ids_BT, real_BT, types_BT, targets_BT, labels_B = on(model.device, *arrays)
    x_BTD = model.states(ids_BT, real_BT, types_BT)
    chosen_BT = targets_BT != IGNORE
    loss = summed_loss(model, x_BTD[chosen_BT], targets_BT[chosen_BT])
    paired = (batch.labels_B != IGNORE).any()
    aside = (
        F.cross_entropy(model.next_sentence(model.pooler(x_BTD[:, 0])).float(), labels_B) if paired else None
    )
    count = int((batch.targets_BT != IGNORE).sum())
    return LossSum(loss, count, counted_bytes(vocabulary, batch.targets_BT), aside)


class FullSentences(Corrupted):
    """Rows filled with text over documents' ends, masked anew each time (Liu et al. 2019, 1907.11692, 4.1 and 4.2)."""

    def __init__(
        self,
        train: Shards,
        validation: Shards,
        vocabulary: Vocabulary,
        context: int,
        seed: int,
        whole_words: bool,
    ):
        super().__init__(train, validation, vocabulary, context - 2, seed)
        self.masking = Masking(vocabulary, whole_words)

    def made(self, texts: list[np.ndarray], chances: list[np.random.Generator]) -> MaskedBatch:
        tokens = self.vocabulary
        rows = [np.concatenate(([tokens.cls_id], text, [tokens.sep_id])) for text in texts]
        types = [np.zeros_like(row) for row in rows]
        return self.masking.batch(rows, types, [IGNORE] * len(rows), self.length + 2, chances)

    def loss(self, model: Encoder, batch: MaskedBatch) -> LossSum:
        return masked_loss(model, batch, self.vocabulary)


class SentencePairs:
    """Pairs of spans with a label, and masks that are drawn once for each of ten copies of the text.

    `batch` raises InputError where no pair can be made."""

    def __init__(
        self,
        train: Shards,
        validation: Shards,
        vocabulary: Vocabulary,
        context: int,
        seed: int,
        whole_words: bool,
    ):
        self.shards, self.held_out, self.vocabulary = train, validation, vocabulary
        self.context, self.seed, self.masking = context, seed, Masking(vocabulary, whole_words)
        self.epoch, self.place, self.number = 0, 0, 0
        self._rows = self._endless()

    def batch(self, rows: int) -> MaskedBatch:
        return self._made(list(islice(self._rows, rows)))

    def validation(self, rows: int) -> Iterator[MaskedBatch]:
        order = (
            each
            for document in range(len(self.held_out))
            for each in self._of(self.held_out, document, HELD_OUT, 0)
        )
        while batch := list(islice(order, rows)):
            full = self._made((batch * rows)[:rows])
            full.targets_BT[len(batch) :] = IGNORE  # only to fill the batch up
            yield full

    def tokens(self, batch: MaskedBatch) -> int:
        return int((batch.targets_BT != IGNORE).sum())

    def loss(self, model: Encoder, batch: MaskedBatch) -> LossSum:
        return masked_loss(model, batch, self.vocabulary)

    def state(self) -> dict[str, Any]:
        """The next pair: its epoch, its document's place in the epoch's order, its number in the document."""
        return {
            "shards": self.shards.digest,
            "epoch": self.epoch,
            "place": self.place,
            "number": self.number,
        }

    def restore(self, state: dict[str, Any]) -> None:
        if state["shards"] != self.shards.digest:
            raise InputError("the state is of other data", mend="resume with the data of the start")
        self.epoch, self.place, self.number = state["epoch"], state["place"], state["number"]
        self._rows = self._endless()

    def _endless(self) -> Iterator[tuple[Pair, np.random.Generator]]:
        fruitless = 0
        while fruitless < 2:
            order = permutation(len(self.shards), self.seed, self.epoch)
            fruitless += 1
            while self.place < len(order):
                document = int(order[self.place])
                for pair in self._of(self.shards, document, TRAINED, self.epoch % COPIES, self.number):
                    fruitless, self.number = 0, self.number + 1
                    yield pair
                self.place, self.number = self.place + 1, 0
            self.epoch, self.place = self.epoch + 1, 0
        raise InputError("no document has two sentences, or another beside it", self.shards.directory)

    def _of(
        self, shards: Shards, document: int, stream: int, copy: int, start: int = 0
    ) -> Iterator[tuple[Pair, np.random.Generator]]:
        """A document's pairs from number `start` on, each with the chance of its masks."""
        key, longest = (self.seed, stream, copy, document), max(1, self.context // 4)

        def sentences(number: int) -> list[np.ndarray]:
            return self.vocabulary.sentences(shards[number].ids.astype(np.int64), longest)

        def other(draws: np.random.Generator) -> list[np.ndarray]:
            if len(shards) == 1:
                return sentences(0)
            return sentences((document + int(draws.integers(1, len(shards)))) % len(shards))

        found = pairs_of(sentences(document), other, self.context - 3, chance(*key))
        return ((pair, chance(*key, number)) for number, pair in list(enumerate(found))[start:])

    def _made(self, drawn: list[tuple[Pair, np.random.Generator]]) -> MaskedBatch:
        tokens = self.vocabulary
        rows, types = [], []
        for (first, second, _), _ in drawn:
            rows.append(np.concatenate(([tokens.cls_id], first, [tokens.sep_id], second, [tokens.sep_id])))
            types.append(np.repeat([0, 1], [len(first) + 2, len(second) + 1]))
        labels = [pair.label for pair, _ in drawn]
        return self.masking.batch(rows, types, labels, self.context, [draws for _, draws in drawn])
