"""How probable given tokens are: each is scored once, with as much before it as the window holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from fragua.models.calls import Decoder

BATCH_TOKENS = 8192


class Window(NamedTuple):
    """Tokens `start` to `end` of a sequence are read, those from `scored` on are scored."""

    start: int
    end: int
    scored: int


def windows(length: int, context: int, stride: int | None = None) -> Iterator[Window]:
    """Windows of up to `context` tokens over `length`, each `stride` further (default: half the context).

    Together they score every token but the first exactly once; from the second window on a scored token has
    at least `context - stride` tokens before it."""
    stride = min(stride or max(1, context // 2), max(1, context - 1))
    scored = 1
    while scored < length:
        end = min(length, context if scored == 1 else scored + stride)
        yield Window(max(0, end - context), end, scored)
        scored = end


@torch.inference_mode()
def score_sequences(
    model: Decoder, sequences: Sequence[Sequence[int]], context: int, stride: int | None = None
) -> list[list[float]]:
    """log p(token | tokens before) in nats for every token but the first of each sequence, batched."""
    jobs = [
        (index, window)
        for index, ids in enumerate(sequences)
        for window in windows(len(ids), context, stride)
    ]
    jobs.sort(key=lambda job: job[1].end - job[1].start)
    scores: list[dict[int, list[float]]] = [{} for _ in sequences]
    for batch in _batches(jobs):
        for (index, window), values in zip(batch, _score_batch(model, sequences, batch), strict=True):
            scores[index][window.scored] = values
    return [[value for start in sorted(row) for value in row[start]] for row in scores]


def _batches(jobs: Sequence[tuple[int, Window]]) -> Iterator[list[tuple[int, Window]]]:
    """Neighbours in length together, up to BATCH_TOKENS with padding."""
    batch: list[tuple[int, Window]] = []
    for job in jobs:
        width = job[1].end - job[1].start
        if batch and width * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


def _score_batch(
    model: Decoder, sequences: Sequence[Sequence[int]], batch: Sequence[tuple[int, Window]]
) -> list[list[float]]:
    """Padded on the right: what is causal never sees it, so no mask is needed."""
    device = next(model.parameters()).device
    ids_BT = torch.zeros(len(batch), max(window.end - window.start for _, window in batch), dtype=torch.long)
    for row, (index, window) in enumerate(batch):
        ids_BT[row, : window.end - window.start] = torch.tensor(sequences[index][window.start : window.end])
    ids_BT = ids_BT.to(device)
    x_BTD = model.hidden(ids_BT[:, :-1])
    values = []
    for row, (_, window) in enumerate(batch):
        first, last = window.scored - window.start, window.end - window.start
        logits_TV = model.head(
            x_BTD[row, first - 1 : last - 1]
        ).float()  # one row's at a time: they are large
        targets_T = ids_BT[row, first:last]
        values.append(logits_TV.log_softmax(-1).gather(1, targets_T.unsqueeze(1)).squeeze(1).tolist())
    return values
