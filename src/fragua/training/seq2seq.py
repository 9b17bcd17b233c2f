"""Pairs of texts: the source is read, the target is learned, in batches bucketed by length."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fragua.corpus.source_target import SourceTarget
from fragua.errors import InputError
from fragua.inference.language_model import LanguageModel
from fragua.models.calls import Decoder
from fragua.models.encoder_decoder import EncoderDecoder
from fragua.progress import console
from fragua.tokens.prepare import tokenize_pairs
from fragua.tokens.shards import Document, Shards
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.cross_entropy import IGNORE
from fragua.training.objectives import LossSum
from fragua.training.rows import chance, counted_bytes, on, stacked, summed_loss
from fragua.training.spans import SourceBatch, loss_from_source
from fragua.training.trainer import Training
from fragua.training.vocabulary import Vocabulary

GROUP = 64
"""Pairs that go through at once: their states stay in a core's cache."""
EVALUATED = 1024
"""Held-out pairs of an evaluation."""
SHOWN = 4
"""Held-out sources that are answered for `samples.jsonl`."""


class Pairs(ABC):
    """Draws `pool` pairs at a time, sorts them by length and gives them out in that order. A step takes a whole pool,
    so that no step sees short pairs only. Those who inherit make a batch of documents with a marked target."""

    def __init__(
        self,
        train: Shards,
        held_out: Shards,
        tokenizer: Tokenizer,
        seed: int,
        pool: int,
        smoothing: float = 0.0,
    ):
        self.train, self.held_out, self.vocabulary = train, held_out, Vocabulary(tokenizer)
        self.seed, self.pool, self.smoothing = seed, pool, smoothing
        self.drawn = 0

    @abstractmethod
    def made(self, pairs: Sequence[Document]) -> Any: ...

    @abstractmethod
    def summed(self, model: Any, batch: Any, smoothing: float) -> Tensor: ...

    def batch(self, rows: int) -> Any:
        first, self.drawn = self.drawn, self.drawn + rows
        numbers = (self._pool(number // self.pool)[number % self.pool] for number in range(first, self.drawn))
        return self.made([self.train[int(number)] for number in numbers])

    def validation(self, rows: int) -> Iterator[Any]:
        pairs = iter(self.held_out)
        while group := list(islice(pairs, rows)):
            yield self.made(group)

    def tokens(self, batch: Any) -> int:
        return int((batch.targets_BT != IGNORE).sum())

    def loss(self, model: Any, batch: Any) -> LossSum:
        """Smoothed where it is learned; what is told of held-out pairs is not."""
        loss = self.summed(model, batch, self.smoothing if torch.is_grad_enabled() else 0.0)
        return LossSum(loss, self.tokens(batch), counted_bytes(self.vocabulary, batch.targets_BT))

    def state(self) -> dict[str, Any]:
        return {"drawn": self.drawn}

    def restore(self, state: dict[str, Any]) -> None:
        self.drawn = state["drawn"]

    @cached_property
    def _pool(self) -> Callable[[int], np.ndarray]:
        """The pairs' numbers in a pool: int64 [pool]. Each epoch has every pair once, in an order of its own."""
        lengths, count = self.train.lengths, len(self.train)

        @lru_cache(maxsize=2)
        def epoch(number: int) -> np.ndarray:
            return chance(self.seed, number).permutation(count)

        @lru_cache(maxsize=1)
        def pool(number: int) -> np.ndarray:
            drawn = range(number * self.pool, (number + 1) * self.pool)
            numbers = np.array([epoch(each // count)[each % count] for each in drawn])
            return numbers[np.argsort(lengths[numbers], kind="stable")]

        return pool


class ReadThenWrite(Pairs):
    """For encoder-decoders: the source is read whole, the target is taught behind it."""

    def made(self, pairs: Sequence[Document]) -> SourceBatch:
        sources = [ids[~trained] for ids, trained in pairs]  # type: ignore[operator]
        targets = [ids[trained] for ids, trained in pairs]
        longest = max(map(len, sources))
        return SourceBatch(
            stacked(sources, longest, self.vocabulary.pad_id),
            stacked([np.ones_like(source) for source in sources], longest, 0),
            stacked(targets, max(map(len, targets)), IGNORE),
        )

    def summed(self, model: EncoderDecoder, batch: SourceBatch, smoothing: float) -> Tensor:
        return loss_from_source(model, batch, smoothing)


class Continuing(NamedTuple):
    """int64 [B, T] each: source and target in a row, and what follows each token of the target."""

    ids_BT: np.ndarray
    targets_BT: np.ndarray


class ReadOn(Pairs):
    """For decoders: source and target in a row. Padding stands behind, where nothing real looks."""

    def made(self, pairs: Sequence[Document]) -> Continuing:
        longest = max(len(ids) for ids, _ in pairs) - 1
        following = [np.where(trained[1:], ids[1:].astype(np.int64), IGNORE) for ids, trained in pairs]  # type: ignore[index]
        return Continuing(
            stacked([ids[:-1] for ids, _ in pairs], longest, self.vocabulary.pad_id),
            stacked(following, longest, IGNORE),
        )

    def summed(self, model: Decoder, batch: Continuing, smoothing: float) -> Tensor:
        ids_BT, targets_BT = on(model.device, *batch)
        return summed_loss(model, model.hidden(ids_BT).flatten(0, 1), targets_BT.flatten(), smoothing)


def pairs_objective(
    lm: LanguageModel, train: Shards, held_out: Shards, training: Training, seed: int, smoothing: float
) -> tuple[Pairs, Training, int]:
    """The objective of this kind of model, the settings with whole groups in a step, and the tokens of a pair in the
    mean. Raises InputError where compiled blocks are asked for."""
    if training.compile == "on":
        raise InputError(
            "groups of pairs have shapes of their own: blocks are not compiled", "compile", "leave it out"
        )
    row_tokens = math.ceil(train.lengths.mean())
    rows = max(1, training.batch_tokens // row_tokens)
    group = min(rows, training.micro_rows or GROUP)
    rows -= rows % group
    training = training.model_copy(
        update={
            "batch_tokens": rows * row_tokens,
            "micro_rows": group,
            "compile": "off",  # each group has a shape of its own
            "evaluate_rows": EVALUATED,
            "keep_best": True,
        }
    )
    kind = ReadThenWrite if isinstance(lm.model, EncoderDecoder) else ReadOn
    return kind(train, held_out, lm.tokenizer, seed, rows, smoothing), training, row_tokens


def open_pairs(pairs: Iterable[SourceTarget], lm: LanguageModel, out: Path) -> Shards:
    """The pairs as tokens, made once; says how many are too long.

    Raises InputError for a model that does not write."""
    if not isinstance(lm.model, EncoderDecoder | Decoder):
        what = f"{lm.model.config.family} does not write"
        raise InputError(what, "pairs", "an encoder-decoder (t5) or a decoder is needed")
    if not (out / "index.json").is_file():
        tokenize_pairs(pairs, lm.tokenizer, out, lm.context, isinstance(lm.model, Decoder))
    shards = Shards.open(out)
    if left_out := shards.index["figures"]["left_out"]:
        console.print(f"{left_out} pairs do not fit {lm.context} tokens: left out", style="yellow")
    return shards


def pair_sampler(lm: LanguageModel, pairs: Iterable[SourceTarget]) -> Callable[[], list[dict[str, Any]]]:
    """Rows of `samples.jsonl`: the first held-out sources answered, and what was wanted."""
    shown = list(islice(pairs, SHOWN))

    def sample() -> list[dict[str, Any]]:
        answers = lm.generate([pair.source for pair in shown], max_tokens=64)
        return [
            {"lang": "", "prompt": pair.source, "text": answer.text, "wanted": pair.target}
            for pair, answer in zip(shown, answers, strict=True)
        ]

    return sample
