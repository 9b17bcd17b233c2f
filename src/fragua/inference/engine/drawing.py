"""The next token of several answers at once, each by its own rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from fragua.inference.engine.answer import Answer
from fragua.inference.engine.ticket import TokenLogprob
from fragua.inference.sampling import pick, warp


def draw(answers: Sequence[Answer], logits_BV: Tensor) -> list[int]:
    """A token for each answer from its row, float32."""
    if any(answer.sampling.changes_logits for answer in answers):
        rows = zip(answers, logits_BV, strict=True)
        moved = [answer.moved(row) if answer.sampling.changes_logits else row for answer, row in rows]
        logits_BV = torch.stack(moved)
    places: dict[tuple[float, int | None, float, float], list[int]] = defaultdict(list)
    for place, answer in enumerate(answers):
        places[answer.sampling.shape].append(place)
    tokens = [0] * len(answers)
    for group in places.values():
        sampling = answers[group[0]].sampling
        rows_GV = logits_BV if len(group) == len(answers) else logits_BV[group]
        if sampling.greedy:
            drawn = rows_GV.argmax(-1)
        else:
            numbers = torch.cat([answers[place].number(answers[place].written) for place in group])
            drawn = pick(warp(rows_GV, sampling), numbers)
        for place, token in zip(group, drawn.tolist(), strict=True):
            tokens[place] = token
    return tokens


def logprobs(logits_BV: Tensor, tokens: Sequence[int], top: int) -> list[TokenLogprob]:
    """The model's own log-probability of a token a row, and of the `top` likeliest."""
    logprobs_BV = logits_BV.log_softmax(-1)
    chosen = logprobs_BV[range(len(tokens)), tokens].tolist()
    best = logprobs_BV.topk(min(top, logits_BV.shape[1]), sorted=True)
    values, ids = best.values.tolist(), best.indices.tolist()
    return [
        TokenLogprob(token, value, tuple(zip(*pair, strict=True)))
        for token, value, *pair in zip(tokens, chosen, ids, values, strict=True)
    ]
