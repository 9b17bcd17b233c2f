"""Answers as tokens, their batches, and how likely a model finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from fragua.alignment.examples import Messages
from fragua.files import atomic_write, digest_json
from fragua.models.calls import Decoder, Model
from fragua.progress import progress_bar
from fragua.tokens.tokenizer import Tokenizer

BATCH_TOKENS = 8192
GROUP_TOKENS = 1024


class Written(Protocol):
    """A conversation's `ids`, int64 [T], and which of them are the assistant's own, bool [T]."""

    @property
    def ids(self) -> np.ndarray: ...

    @property
    def own(self) -> np.ndarray: ...


AnyWritten = TypeVar("AnyWritten", bound=Written)


class Answer(NamedTuple):
    """A conversation's `ids`, int64 [T]; from `start` on they are the answer's, its end of turn included."""

    ids: np.ndarray
    start: int

    @property
    def length(self) -> int:
        return len(self.ids) - self.start

    @property
    def own(self) -> np.ndarray:
        return np.arange(len(self.ids)) >= self.start


class Own(NamedTuple):
    """The states from which N own tokens are predicted [N, D], these tokens, and whose they are, both [N]."""

    x_ND: Tensor
    ids_N: Tensor
    rows_N: Tensor


def encode(tokenizer: Tokenizer, prompt: Messages, answer: str, context: int) -> Answer | None:
    """The answer is cut where the context ends; None where the prompt leaves no room for any of it."""
    start = len(tokenizer.encode_chat(prompt, add_generation_prompt=True).ids)
    tokens = tokenizer.encode_chat([*prompt, {"role": "assistant", "content": answer}])
    # the template may go on after the end of turn: that the assistant does not write
    end = len(tokens.trained) - tokens.trained[::-1].index(True)
    ids = np.array(tokens.ids[: min(end, context)], dtype=np.int64)
    return Answer(ids, start) if len(ids) > start else None


def padded(answers: Sequence[Written], filling: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """ids_BT int64, filled up on the right, and which tokens are the assistant's, bool."""
    shape = len(answers), max(len(answer.ids) for answer in answers)
    ids_BT, own_BT = np.full(shape, filling, dtype=np.int64), np.zeros(shape, dtype=bool)
    for ids_T, own_T, answer in zip(ids_BT, own_BT, answers, strict=True):
        ids_T[: len(answer.ids)] = answer.ids
        own_T[: len(answer.ids)] = answer.own
    return ids_BT, own_BT


def logprobs(model: Decoder, answers: Sequence[Answer], tokens: int = GROUP_TOKENS) -> Tensor:
    """log π(answer | prompt) in nats, summed over the answer's tokens: float32 [B].

    Answers of like length go through together, up to `tokens` at a time, so that little of it is padding."""
    return in_groups(lambda group: _logprobs(model, group), answers, tokens)


def _logprobs(model: Decoder, answers: Sequence[Answer]) -> Tensor:
    return summed(model, own_states(model, answers), len(answers))


def summed(model: Model, own: Own, count: int) -> Tensor:
    """The log-probabilities of own tokens, summed by whose they are: float32 [count]."""
    x_ND, ids_N, rows_N = own
    chosen_N = model.head(x_ND).float().log_softmax(-1).gather(1, ids_N[:, None])[:, 0]
    return chosen_N.new_zeros(count).index_add(0, rows_N, chosen_N)


def own_states(model: Decoder, answers: Sequence[Written]) -> Own:
    """Padding stands on the right, where what is causal never sees it."""
    ids_BT, own_BT = (torch.from_numpy(array).to(model.device) for array in padded(answers))
    return picked(model.hidden(ids_BT[:, :-1]), ids_BT, own_BT)


def picked(x_BTD: Tensor, ids_BT: Tensor, own_BT: Tensor) -> Own:
    """From the states of all tokens but the last."""
    own_BT = own_BT[:, 1:]
    return Own(x_BTD[own_BT], ids_BT[:, 1:][own_BT], own_BT.nonzero()[:, 0])


@torch.no_grad()
def score(model: Decoder, answers: Sequence[Answer], label: str = "score") -> Tensor:
    """`logprobs` of any number of answers, float32 [N] on the CPU, neighbours in length together."""
    found_N = torch.empty(len(answers))
    with progress_bar(label, len(answers), "answers") as advance:
        for places in by_length(answers):
            found_N[places] = logprobs(model, [answers[place] for place in places]).cpu()
            advance(len(places))
    return found_N


def in_groups(
    work: Callable[[Sequence[AnyWritten]], Tensor], answers: Sequence[AnyWritten], tokens: int
) -> Tensor:
    """What `work` finds of each answer, in their order: those of like length go through it together."""
    groups = list(by_length(answers, tokens))
    found_B = torch.cat([work([answers[place] for place in places]) for places in groups])
    order_B = torch.tensor([place for places in groups for place in places], device=found_B.device)
    return found_B[order_B.argsort()]


def by_length(answers: Sequence[Written], tokens: int = BATCH_TOKENS) -> Iterable[list[int]]:
    """Places in batches of up to `tokens`, padding included, the longest first."""
    batch: list[int] = []
    for place in sorted(range(len(answers)), key=lambda place: -len(answers[place].ids)):
        if batch and len(answers[batch[0]].ids) * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def reference(model: Decoder, weights: str, answers: Sequence[Answer], folder: Path) -> Tensor:
    """`score` of a model that does not change, kept in `folder` under a digest of its weights and the answers."""
    key = digest_json([weights, [[answer.start, *answer.ids.tolist()] for answer in answers]])
    path = folder / f"{key}.safetensors"
    if path.is_file():
        return load(path.read_bytes())["logprobs"]
    found_N = score(model, answers, "reference")
    with atomic_write(path, "wb") as file:
        file.write(save({"logprobs": found_N}))
    return found_N
