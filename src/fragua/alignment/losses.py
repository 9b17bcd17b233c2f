"""Losses of comparisons, as pure functions of log-probabilities and rewards. Each returns one loss a row, [N].

A `ratio` is log π(y|x) − log π_ref(y|x) in nats, summed over the answer's tokens; where a loss is to be blind to
length, the caller divides it by their number."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def dpo(chosen_N: Tensor, rejected_N: Tensor, beta: float, smoothing: float = 0.0) -> Tensor:
    """Rafailov et al. 2023 (2305.18290), eq. 7, of two ratios; `smoothing` is the share of labels thought to be
    the wrong way round (Mitchell 2023, conservative DPO)."""
    margin_N = beta * (chosen_N - rejected_N)
    return -(1 - smoothing) * F.logsigmoid(margin_N) - smoothing * F.logsigmoid(-margin_N)


def ipo(chosen_N: Tensor, rejected_N: Tensor, beta: float) -> Tensor:
    """Azar et al. 2023 (2310.12036), eq. 17, its τ being `beta`: a margin of the ratios of 1/2τ, and no more."""
    return (chosen_N - rejected_N - 1 / (2 * beta)) ** 2


def kto(
    ratio_N: Tensor, good_N: Tensor, kl: Tensor, beta: float, desirable: float = 1.0, undesirable: float = 1.0
) -> Tensor:
    """Ethayarajh et al. 2024 (2402.01306), eq. 8. `good_N` bool; `kl` their z₀, a scalar that no gradient enters."""
    side_N = torch.where(good_N, 1.0, -1.0)
    weight_N = torch.where(good_N, desirable, undesirable)
    return weight_N * (1 - torch.sigmoid(side_N * beta * (ratio_N - kl.clamp(min=0).detach())))


def likelihood(logprob_N: Tensor, length_N: Tensor) -> Tensor:
    """Minus the mean log-probability a token: what Pang et al. 2024 (2404.19733, eq. 1) add to DPO for the chosen."""
    return -logprob_N / length_N


def bradley_terry(
    better_N: Tensor, worse_N: Tensor, margin_N: Tensor | float = 0.0, tie_N: Tensor | None = None
) -> Tensor:
    """−log P of rewards (Bradley & Terry 1952; margin: Touvron et al. 2023, 2307.09288, eq. 2). Where `tie_N` (bool)
    is given, a tie is a third outcome of reward (r₁ + r₂)/2 (Davidson 1970, his ν being 1)."""
    half_N = (better_N - worse_N - margin_N) / 2
    if tie_N is None:
        return -F.logsigmoid(2 * half_N)
    outcomes_N3 = torch.stack([half_N, -half_N, torch.zeros_like(half_N)], dim=-1)
    return -outcomes_N3.log_softmax(-1).gather(-1, 2 * tie_N.long()[:, None])[:, 0]


def best_of(reward_NK: Tensor, best_N: Tensor) -> Tensor:
    """Ziegler et al. 2019 (1909.08593), eq. 1: −log softmax of the best of K rewards; absent ones are −∞."""
    return F.cross_entropy(reward_NK, best_N, reduction="none")


def ordinal(reward_N: Tensor, rating_N: Tensor, cuts_C: Tensor) -> Tensor:
    """−log P of ratings 1 … C + 1, P(rating ≤ k) = σ(cut_k − reward), cuts ascending (McCullagh 1980, eq. 2.1)."""
    outer = torch.full_like(cuts_C[:1], float("inf"))
    bounds_B = torch.cat([-outer, cuts_C, outer])
    low_N, high_N = bounds_B[rating_N - 1] - reward_N, bounds_B[rating_N] - reward_N
    # σ(b) − σ(a) = σ(b) σ(−a) (1 − e^(a − b)): exact far from the cuts too
    gap_N = torch.where(high_N.isinf() | low_N.isinf(), 0.0, torch.exp(low_N - high_N))
    return -(F.logsigmoid(high_N) + F.logsigmoid(-low_N) + torch.log1p(-gap_N))
