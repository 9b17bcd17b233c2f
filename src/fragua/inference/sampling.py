"""From logits to the next token: each filter a pure function, exactly as transformers has it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from fragua.settings import Settings

INFINITY = float("inf")


class Sampling(Settings):
    """How the next token is drawn. The defaults are greedy: always the most probable token."""

    temperature: float = Field(
        default=0.0, ge=0.0, le=100.0, description="0 is greedy, 1 the model's own distribution"
    )
    top_k: int | None = Field(default=None, ge=1, description="only the k most probable tokens")
    top_p: float = Field(
        default=1.0, gt=0.0, le=1.0, description="the fewest tokens that hold this probability"
    )
    min_p: float = Field(
        default=0.0, ge=0.0, le=1.0, description="none below this share of the most probable token"
    )
    repetition_penalty: float = Field(
        default=1.0, gt=0.0, le=10.0, description="over 1: tokens seen become less likely"
    )
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="the same seed draws the same tokens")

    @property
    def greedy(self) -> bool:
        return self.temperature == 0.0


def penalize_repetition(logits_BV: Tensor, seen_BV: Tensor, penalty: float) -> Tensor:
    """Divides positive logits of tokens seen by `penalty`, multiplies negative ones (arXiv:1909.05858, 4.1).

    `seen_BV` bool: which tokens the row's prompt and answer hold."""
    penalized_BV = torch.where(logits_BV < 0, logits_BV * penalty, logits_BV / penalty)
    return torch.where(seen_BV, penalized_BV, logits_BV)


def keep_top_k(logits_BV: Tensor, k: int) -> Tensor:
    """-inf below the k-th largest logit; ties with it stay."""
    least_B1 = logits_BV.topk(min(k, logits_BV.shape[-1])).values[:, -1:]
    return logits_BV.masked_fill(logits_BV < least_B1, -INFINITY)


def keep_top_p(logits_BV: Tensor, p: float) -> Tensor:
    """-inf outside the nucleus (arXiv:1904.09751): the fewest tokens whose probabilities sum to p or more."""
    sorted_BV, order_BV = logits_BV.sort(descending=False)
    tail_BV = sorted_BV.softmax(-1).cumsum(-1) <= 1 - p
    tail_BV[:, -1] = False
    return logits_BV.masked_fill(tail_BV.scatter(1, order_BV, tail_BV), -INFINITY)


def keep_min_p(logits_BV: Tensor, share: float) -> Tensor:
    """-inf where the probability is under `share` of the largest one (arXiv:2407.01082)."""
    probs_BV = logits_BV.softmax(-1)
    return logits_BV.masked_fill(probs_BV < share * probs_BV.amax(-1, keepdim=True), -INFINITY)


def warp(logits_BV: Tensor, sampling: Sampling, seen_BV: Tensor | None = None) -> Tensor:
    """Repetition penalty, temperature, top-k, top-p, min-p, in this order: transformers' order."""
    if sampling.repetition_penalty != 1.0 and seen_BV is not None:
        logits_BV = penalize_repetition(logits_BV, seen_BV, sampling.repetition_penalty)
    if sampling.greedy:
        return logits_BV
    if sampling.temperature != 1.0:
        logits_BV = logits_BV / sampling.temperature
    if sampling.top_k is not None:
        logits_BV = keep_top_k(logits_BV, sampling.top_k)
    if sampling.top_p < 1.0:
        logits_BV = keep_top_p(logits_BV, sampling.top_p)
    if sampling.min_p > 0.0:
        logits_BV = keep_min_p(logits_BV, sampling.min_p)
    return logits_BV


def sample(
    logits_BV: Tensor,
    sampling: Sampling,
    seen_BV: Tensor | None = None,
    generators: Sequence[torch.Generator] = (),
) -> Tensor:
    """The next token of each row, ids_B: the most probable one, or drawn by inverting the distribution.

    `generators`: one a row (CPU), unused when greedy; a row takes one number from its own each call, so
    what it draws does not depend on the rows beside it."""
    logits_BV = warp(logits_BV.float(), sampling, seen_BV)
    if sampling.greedy:
        return logits_BV.argmax(-1)
    return pick(logits_BV, torch.cat([number(generator) for generator in generators]))


def number(generator: torch.Generator) -> Tensor:
    """What decides one token: float64 [1] in [0, 1)."""
    return torch.rand(1, generator=generator, dtype=torch.float64)


def pick(logits_BV: Tensor, numbers_B: Tensor) -> Tensor:
    """The token at which the probabilities, the largest first, sum to more than the row's number."""
    # Drawn among the sorted tokens that have any probability: the last of them stands in when rounding leaves
    # the sum short of the number drawn.
    probs_BV, order_BV = logits_BV.double().softmax(-1).sort(descending=True)
    shares_BV = probs_BV.cumsum(-1)
    point_B1 = numbers_B.to(shares_BV.device).unsqueeze(1) * shares_BV[:, -1:]
    rank_B1 = torch.searchsorted(shares_BV, point_B1, right=True)
    last_B1 = (probs_BV > 0).sum(-1, keepdim=True) - 1
    return order_BV.gather(1, rank_B1.minimum(last_B1)).squeeze(1)


def logprobs_of(logits_BV: Tensor, ids_B: Tensor) -> Tensor:
    """Each row's token's log-probability in nats, of the model itself: before temperature and filters."""
    return logits_BV.float().log_softmax(-1).gather(1, ids_B.unsqueeze(1)).squeeze(1)
