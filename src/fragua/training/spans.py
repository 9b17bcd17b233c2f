"""Span corruption and prefix language modelling for encoder-decoders (Raffel et al. 2019, 1910.10683, section 3)."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from torch import Tensor

from fragua.errors import InputError
from fragua.models.encoder_decoder import EncoderDecoder
from fragua.tokens.shards import Shards
from fragua.training.cross_entropy import IGNORE
from fragua.training.objectives import LossSum
from fragua.training.rows import Corrupted, counted_bytes, on, stacked, summed_loss
from fragua.training.vocabulary import Vocabulary

RATE, MEAN_SPAN = 0.15, 3.0


class Lengths(NamedTuple):
    """Tokens of a row before corruption, and of its two parts after it, with their ends."""

    text: int
    source: int
    target: int


def corrupted_lengths(text: int, rate: float = RATE, mean_span: float = MEAN_SPAN) -> Lengths:
    """What becomes of a row of `text` tokens: each span is one sentinel in the source and one in the target."""
    hidden, spans = hidden_and_spans(text, rate, mean_span)
    return Lengths(text, text - hidden + spans + 1, hidden + spans + 1)


def lengths_for(source: int, rate: float = RATE, mean_span: float = MEAN_SPAN) -> Lengths:
    """The longest rows whose source takes at most `source` tokens: 568 for 512, with a target of 114."""
    text = source
    while corrupted_lengths(text + 1, rate, mean_span).source <= source:
        text += 1
    return corrupted_lengths(text, rate, mean_span)


def hidden_and_spans(text: int, rate: float, mean_span: float) -> tuple[int, int]:
    """How many of `text` tokens are hidden, in how many spans; something is left of both."""
    hidden = min(max(round(text * rate), 1), text - 1)
    return hidden, min(max(round(hidden / mean_span), 1), text - hidden)


def hidden_spans(text: int, rate: float, mean_span: float, chance: np.random.Generator) -> np.ndarray:
    """bool [text]: True in the spans, which are parted by text and end the row; all partings are alike likely."""
    hidden, spans = hidden_and_spans(text, rate, mean_span)
    kept_N, hidden_N = (_parts(total, spans, chance) for total in (text - hidden, hidden))
    return np.repeat(np.tile([False, True], spans), np.stack((kept_N, hidden_N), axis=1).ravel())


def _parts(total: int, parts: int, chance: np.random.Generator) -> np.ndarray:
    """int64 [parts], each 1 at least, with this sum."""
    cuts = np.sort(chance.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(cuts, prepend=0, append=total)


def corrupt(
    ids_T: np.ndarray, hidden_T: np.ndarray, sentinels: np.ndarray, end_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Source and target: of one the spans, of the other what is between them is a sentinel, the first for the first."""
    first_T = hidden_T & ~np.concatenate(([False], hidden_T[:-1]))
    marks_T = sentinels[np.maximum(np.cumsum(first_T) - 1, 0)]
    source = np.where(first_T, marks_T, ids_T)[~hidden_T | first_T]
    places = np.flatnonzero(hidden_T)
    target = np.insert(ids_T[places], np.flatnonzero(first_T[places]), marks_T[places[first_T[places]]])
    return np.append(source, end_id), np.append(target, end_id)


class SourceBatch(NamedTuple):
    """int64 [B, S] and [B, T]: what is read, which of it is real, what is to be written."""

    ids_BS: np.ndarray
    real_BS: np.ndarray
    targets_BT: np.ndarray


def loss_from_source(model: EncoderDecoder, batch: SourceBatch, smoothing: float = 0.0) -> Tensor:
    """Of the targets, each predicted from the source and the true ones before it; summed, in nats."""
    ids_BS, real_BS, targets_BT = on(model.device, *batch)
    source = model.source(model.encode(ids_BS, real_BS), real_BS)
    x_BTD = model.transformer(model.shifted(targets_BT), source=source)
    return summed_loss(model, x_BTD.flatten(0, 1), targets_BT.flatten(), smoothing)


class FromSource(Corrupted):
    """Something to read and something to write, made from a row of text."""

    def __init__(
        self, train: Shards, validation: Shards, vocabulary: Vocabulary, lengths: Lengths, seed: int
    ):
        super().__init__(train, validation, vocabulary, lengths.text, seed)
        self.lengths, self.end_id = lengths, vocabulary.end_id

    def made(self, texts: list[np.ndarray], chances: list[np.random.Generator]) -> SourceBatch:
        sources, targets = zip(*map(self.parted, texts, chances), strict=True)
        return SourceBatch(
            stacked(list(sources), self.lengths.source, self.vocabulary.pad_id),
            stacked([np.ones_like(source) for source in sources], self.lengths.source, 0),
            stacked(list(targets), self.lengths.target, IGNORE),
        )

    @abstractmethod
    def parted(self, ids_T: np.ndarray, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]: ...

    def loss(self, model: EncoderDecoder, batch: SourceBatch) -> LossSum:
        loss = loss_from_source(model, batch)
        return LossSum(loss, self.tokens(batch), counted_bytes(self.vocabulary, batch.targets_BT))


class SpanCorruption(FromSource):
    """The hidden spans are written, each behind its sentinel (section 3.1.4)."""

    def __init__(self, train: Shards, validation: Shards, vocabulary: Vocabulary, context: int, seed: int):
        """Raises InputError where a row would have more spans than there are sentinels."""
        lengths = lengths_for(context)
        spans = hidden_and_spans(lengths.text, RATE, MEAN_SPAN)[1]
        self.sentinels = np.array(vocabulary.tokenizer.sentinel_ids)
        if spans > len(self.sentinels):
            what = f"{context} tokens have {spans} spans, and there are {len(self.sentinels)} sentinels"
            raise InputError(what, "context", "choose a smaller one")
        super().__init__(train, validation, vocabulary, lengths, seed)

    def parted(self, ids_T: np.ndarray, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        if len(ids_T) < 2:
            return np.append(ids_T, self.end_id), np.empty(0, dtype=np.int64)
        hidden_T = hidden_spans(len(ids_T), RATE, MEAN_SPAN, chance)
        return corrupt(ids_T, hidden_T, self.sentinels, self.end_id)


class Prefix(FromSource):
    """The beginning is read, the rest written; every place to part them is alike likely (section 3.2.1)."""

    def __init__(self, train: Shards, validation: Shards, vocabulary: Vocabulary, context: int, seed: int):
        super().__init__(train, validation, vocabulary, Lengths(context, context, context), seed)

    def parted(self, ids_T: np.ndarray, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        if len(ids_T) < 2:
            return np.append(ids_T, self.end_id)[:1], np.empty(0, dtype=np.int64)
        place = int(chance.integers(1, len(ids_T)))
        return np.append(ids_T[:place], self.end_id), np.append(ids_T[place:], self.end_id)
