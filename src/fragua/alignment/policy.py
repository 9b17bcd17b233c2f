"""Learning from rewards, as pure functions: advantages, penalties and losses of the tokens that a policy wrote.

`_BT`: the policy's own tokens of B answers, side by side and filled up on the right; `mask_BT` (bool) tells them from
the filling. What a prompt or a tool wrote between them is not there, so values are carried across it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Estimator = Literal["k1", "k2", "k3"]
ADAPTING = 0.1
"""Ziegler et al.'s K_β."""


def masked_mean(x_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Over the tokens of the mask; 0 where there are none."""
    return torch.where(mask_BT, x_BT, 0.0).sum() / mask_BT.sum().clamp(min=1)


def whiten(x_BT: Tensor, mask_BT: Tensor, shift_mean: bool = True) -> Tensor:
    """Deviation 1 and, with `shift_mean`, mean 0 over the mask; 0 outside it. Rewards keep their mean: moved, a penalty
    for each token would become a prize for each (Ziegler et al. 2019, 1909.08593, their code's `whiten`)."""
    mean = masked_mean(x_BT, mask_BT)
    deviation = masked_mean((x_BT - mean) ** 2, mask_BT).sqrt()
    white_BT = (x_BT - mean) / (deviation + 1e-8) + (0.0 if shift_mean else mean)
    return torch.where(mask_BT, white_BT, 0.0)


def token_rewards(score_B: Tensor, log_ratio_BT: Tensor, mask_BT: Tensor, beta: float) -> Tensor:
    """−β (log π − log π_ref) at each token, and the answer's score at its last (Ziegler et al. 2019, eq. 2): nothing
    after it."""
    rewards_BT = torch.where(mask_BT, -beta * log_ratio_BT, 0.0)
    last_B = mask_BT.sum(1) - 1
    return rewards_BT.scatter_add(
        1, last_B.clamp(min=0)[:, None], torch.where(last_B < 0, 0.0, score_B)[:, None]
    )


def gae(
    rewards_BT: Tensor, values_BT: Tensor, mask_BT: Tensor, discount: float = 1.0, trace: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Advantages and returns, [B, T] (Schulman et al. 2016, 1506.02438, eq. 16): Â_t = δ_t + γλ Â_{t+1} with
    δ_t = r_t + γ V_{t+1} − V_t. An answer is over after its last token: what follows is worth nothing."""
    values_BT = torch.where(mask_BT, values_BT, 0.0)
    advantages_BT = torch.zeros_like(values_BT)
    next_B = following_B = torch.zeros_like(values_BT[:, 0])
    for t in reversed(range(values_BT.shape[1])):
        delta_B = rewards_BT[:, t] + discount * following_B - values_BT[:, t]
        next_B = torch.where(mask_BT[:, t], delta_B + discount * trace * next_B, 0.0)
        advantages_BT[:, t], following_B = next_B, values_BT[:, t]
    return advantages_BT, advantages_BT + values_BT


def group_advantages(score_GK: Tensor, method: Literal["grpo", "rloo"], deviation: bool = False) -> Tensor:
    """How much better each of a prompt's K answers is than the others, [G, K].

    grpo: than their mean; over their deviation only if `deviation`, which favours prompts that are too easy or too hard
    (Shao et al. 2024, 2402.03300, 4.1; without: Liu et al. 2025, 2503.20783). rloo: than the mean of the other
    K − 1 (Ahmadian et al. 2024, 2402.14740, eq. 8)."""
    count = score_GK.shape[1]
    advantage_GK = score_GK - score_GK.mean(1, keepdim=True)
    if method == "rloo":
        return advantage_GK * count / (count - 1)
    return advantage_GK / (score_GK.std(1, keepdim=True) + 1e-4) if deviation else advantage_GK


def alike(score_GK: Tensor) -> Tensor:
    """Groups whose answers all have the same score, and teach nothing: bool [G]."""
    return score_GK.amax(1) - score_GK.amin(1) < 1e-9


def clipped_ratio(
    logprob_N: Tensor, old_N: Tensor, advantage_N: Tensor, low: float = 0.2, high: float = 0.2
) -> Tensor:
    """−min(ρ Â, clip(ρ, 1 − low, 1 + high) Â) a token, ρ = π / π_old (Schulman et al. 2017, 1707.06347, eq. 7; a
    higher `high` leaves rare tokens room to grow: Yu et al. 2025, 2503.14476, eq. 10)."""
    ratio_N = (logprob_N - old_N).exp()
    return -torch.minimum(ratio_N * advantage_N, ratio_N.clamp(1 - low, 1 + high) * advantage_N)


def clipped(logprob_N: Tensor, old_N: Tensor, advantage_N: Tensor, low: float, high: float) -> Tensor:
    """Tokens whose ratio is past the clip on the side where that stops their gradient: bool [N]."""
    ratio_N = (logprob_N - old_N).exp()
    return ((ratio_N > 1 + high) & (advantage_N > 0)) | ((ratio_N < 1 - low) & (advantage_N < 0))


def clipped_value(value_N: Tensor, old_N: Tensor, return_N: Tensor, clip: float = 0.2) -> Tensor:
    """½ max((V − R)², (V_clipped − R)²) a token, V_clipped within `clip` of what it was (Schulman et al.'s code for
    1707.06347, as in Ziegler et al. 2019)."""
    near_N = old_N + (value_N - old_N).clamp(-clip, clip)
    return 0.5 * torch.maximum((value_N - return_N) ** 2, (near_N - return_N) ** 2)


def divergence(log_ratio_N: Tensor, estimator: Estimator) -> Tensor:
    """Estimates of KL(π ‖ π_ref) from tokens that π drew, of log π − log π_ref in nats (Schulman 2020,
    joschu.net/blog/kl-approx.html): k1 the ratio itself, k2 half its square, k3 (1/e^ratio − 1) + ratio, never
    negative."""
    if estimator == "k1":
        return log_ratio_N
    return log_ratio_N**2 / 2 if estimator == "k2" else torch.expm1(-log_ratio_N) + log_ratio_N


def adapted(beta: float, kl: float, target: float) -> float:
    """The coefficient that keeps an answer's divergence at `target` nats (Ziegler et al. 2019, section 2.2):
    β (1 + 0.1 e), e = clip(kl / target − 1, −0.2, 0.2)."""
    return beta * (1 + ADAPTING * min(max(kl / target - 1, -0.2), 0.2))


def explained_variance(value_N: Tensor, return_N: Tensor) -> float:
    """The share of the returns' variance that values tell beforehand: 1 all, 0 none, below 0 worse than their mean."""
    spread = return_N.var(unbiased=False)
    return float(1 - (return_N - value_N).var(unbiased=False) / spread) if spread > 0 else 0.0
