"""Advantages, penalties and losses: by hand, against slow references, and on a toy whose optimum is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fragua.alignment import policy

NUMBER = st.floats(-5, 5, allow_nan=False)


def t(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_gae_is_what_one_computes_by_hand() -> None:
    # γ = 0.9, λ = 0.5; values 1, 2, 3; the reward 4 at the end: δ₃ = 4 − 3 = 1, δ₂ = 0.9·3 − 2 = 0.7, δ₁ = 0.8
    mask = torch.ones(1, 3, dtype=torch.bool)
    advantages, returns = policy.gae(t(0, 0, 4)[None], t(1, 2, 3)[None], mask, 0.9, 0.5)
    assert advantages[0].tolist() == pytest.approx([0.8 + 0.45 * (0.7 + 0.45), 0.7 + 0.45, 1.0])
    assert returns[0].tolist() == pytest.approx([1 + 0.8 + 0.45 * 1.15, 2 + 1.15, 4.0])


@given(
    st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=6),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 4),
)
def test_gae_is_the_mixture_of_all_horizons_and_filling_changes_nothing(
    rows: list[tuple[float, float]], discount: float, trace: float, filling: int
) -> None:
    """Â_t = Σ_l (γλ)^l δ_{t+l}, each δ written out."""
    rewards, values = (list(column) for column in zip(*rows, strict=True))
    n = len(rows)
    following = [*values[1:], 0.0]
    deltas = [rewards[i] + discount * following[i] - values[i] for i in range(n)]
    slow = [sum((discount * trace) ** (j - i) * deltas[j] for j in range(i, n)) for i in range(n)]
    mask = torch.tensor([[True] * n + [False] * filling])
    junk = t(*[99.0] * filling)
    padded = [torch.cat([t(*column), junk])[None] for column in (rewards, values)]
    advantages, _ = policy.gae(*padded, mask, discount, trace)  # type: ignore[arg-type]
    assert advantages[0, :n].tolist() == pytest.approx(slow, abs=1e-9)
    assert not advantages[0, n:].any(), "nothing is rewarded beyond the horizon"


def test_a_score_stands_at_the_last_own_token_and_the_penalty_at_each() -> None:
    mask = torch.tensor([[True, True, False], [True, True, True]])
    ratio = t(0.5, -0.5, 9.0, 1.0, 2.0, 3.0).view(2, 3)
    rewards = policy.token_rewards(t(2.0, -1.0), ratio, mask, beta=0.1)
    assert rewards.tolist() == [[-0.05, 2.05, 0.0], pytest.approx([-0.1, -0.2, -1.3])]


def test_whitened_rewards_keep_their_mean_and_advantages_lose_it() -> None:
    mask = torch.tensor([[True, True, True, False]])
    x = t(1.0, 2.0, 6.0, 1e6)[None]
    for shift, mean in ((True, 0.0), (False, 3.0)):
        white = policy.whiten(x, mask, shift)
        assert white[0, :3].mean().item() == pytest.approx(mean)
        assert white[0, :3].std(unbiased=False).item() == pytest.approx(1.0)
        assert white[0, 3] == 0.0, "what is masked counts nothing and stays nothing"


def test_groups_are_compared_with_themselves() -> None:
    scores = t(1.0, 0.0, 0.0, 1.0, 5.0, 5.0, 5.0, 5.0).view(2, 4)
    assert policy.group_advantages(scores, "grpo")[0].tolist() == [0.5, -0.5, -0.5, 0.5]
    # the others' mean: of 1 it is 1/3, of 0 it is 2/3
    assert policy.group_advantages(scores, "rloo")[0].tolist() == pytest.approx(
        [2 / 3, -2 / 3, -2 / 3, 2 / 3]
    )
    scaled = policy.group_advantages(scores, "grpo", deviation=True)[0]
    assert scaled.tolist() == pytest.approx([0.866, -0.866, -0.866, 0.866], abs=1e-3)
    assert policy.alike(scores).tolist() == [False, True]


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "moves"),
    [(1.1, 1.0, -1.1, True), (1.5, 1.0, -1.28, False), (1.5, -1.0, 1.5, True), (0.5, -1.0, 0.8, False)],
)
def test_the_clip_is_asymmetric_and_stops_only_what_goes_too_far(
    ratio: float, advantage: float, loss: float, moves: bool
) -> None:
    logprob = t(math.log(ratio)).requires_grad_()
    args = (t(0.0), t(advantage), 0.2, 0.28)
    found = policy.clipped_ratio(logprob, *args)
    found.sum().backward()
    assert found.item() == pytest.approx(loss)
    assert logprob.grad is not None and bool(logprob.grad.abs() > 0) is moves
    assert policy.clipped(logprob.detach(), *args).item() is not moves


def test_values_may_not_run_to_the_return_at_once() -> None:
    value = t(3.0).requires_grad_()
    loss = policy.clipped_value(value, t(0.0), t(3.0), clip=0.2)
    loss.sum().backward()
    assert loss.item() == pytest.approx(0.5 * 2.8**2) and value.grad is not None and value.grad.item() == 0.0


def test_the_estimators_of_the_divergence_agree_with_it() -> None:
    """Expected over π, k1 and k3 are KL(π ‖ π_ref) exactly."""
    chances, reference = t(0.5, 0.3, 0.2), t(0.2, 0.3, 0.5)
    ratio = (chances / reference).log()
    exact = (chances * ratio).sum().item()
    for name in ("k1", "k3"):
        assert (chances * policy.divergence(ratio, name)).sum().item() == pytest.approx(exact)
    near = (chances / (chances + t(0.01, 0, -0.01))).log()
    exact = (chances * near).sum().item()
    assert (chances * policy.divergence(near, "k2")).sum().item() == pytest.approx(exact, rel=0.1)


@given(st.floats(-8, 8))
def test_k3_is_never_negative(ratio: float) -> None:
    assert policy.divergence(t(ratio), "k3").item() >= 0


def test_the_coefficient_rises_over_the_target_and_falls_under_it() -> None:
    assert policy.adapted(0.1, 12.0, 6.0) == pytest.approx(0.102)
    assert policy.adapted(0.1, 6.3, 6.0) == pytest.approx(0.1005)
    assert policy.adapted(0.1, 0.0, 6.0) == pytest.approx(0.098)


def test_explained_variance() -> None:
    returns = t(1.0, 2.0, 3.0)
    assert policy.explained_variance(returns, returns) == 1.0
    assert policy.explained_variance(t(2.0, 2.0, 2.0), returns) == 0.0


# ---- a toy: two tokens, each one of three; the reward is known, and so is the best policy

REWARD = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0], [1.0, 0.0, 0.0]])
"""Of the first and the second token."""
BETA = 0.5


class Toy(torch.nn.Module):
    """Logits of the first token, of the second one after each first, and of values."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (torch.nn.Parameter(torch.zeros(*shape)) for shape in ((3,), (3, 3)))
        self.value = torch.nn.Parameter(torch.zeros(4))

    def chances(self) -> torch.Tensor:
        return self.first.softmax(-1)[:, None] * self.second.softmax(-1)

    def read(self, drawn_B2: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities and values, [B, 2]."""
        a, b = drawn_B2.unbind(1)
        logprobs = torch.stack([self.first.log_softmax(-1)[a], self.second.log_softmax(-1)[a, b]], 1)
        return logprobs, torch.stack([self.value[0].expand(len(a)), self.value[1 + a]], 1)


def learn(method: str, rounds: int = 150) -> Toy:
    torch.manual_seed(0)
    toy = Toy()
    optimizer = torch.optim.Adam(toy.parameters(), lr=0.05)
    mask = torch.ones(64, 2, dtype=torch.bool)
    for _ in range(rounds):
        with torch.no_grad():
            place = torch.multinomial(toy.chances().flatten(), 64, replacement=True)
            drawn = torch.stack([place // 3, place % 3], 1)
            old, values = toy.read(drawn)
            score, ratio = REWARD[drawn[:, 0], drawn[:, 1]], old + math.log(3)
        if method == "ppo":
            rewards = policy.token_rewards(score, ratio, mask, BETA)
            advantages, returns = policy.gae(rewards, values, mask)
        else:
            shaped = (score - BETA * ratio.sum(1)).view(8, 8)
            advantages = policy.group_advantages(shaped, method).flatten()[:, None].expand(64, 2)  # type: ignore[arg-type]
            returns = values
        for _ in range(2):
            logprobs, found = toy.read(drawn)
            loss = policy.clipped_ratio(logprobs, old, advantages).mean()
            loss = loss + policy.clipped_value(found, values, returns).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return toy


@pytest.mark.parametrize("method", ["ppo", "grpo", "rloo"])
def test_a_toy_finds_the_best_policy_there_is(method: str) -> None:
    """π* ∝ π_ref e^(r / β): no other has more reward less β nats of divergence."""
    best = (REWARD / BETA).flatten().softmax(-1).view(3, 3)
    assert (learn(method).chances() - best).abs().max().item() < 0.06


@pytest.mark.parametrize("name", ["clipped_ratio", "gae", "token_rewards"])
def test_a_sign_that_is_the_wrong_way_round_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right: Callable[..., torch.Tensor | tuple[torch.Tensor, torch.Tensor]] = getattr(policy, name)

    def flipped(*args: object) -> object:
        found = right(*args)
        return (-found[0], found[1]) if isinstance(found, tuple) else -found

    monkeypatch.setattr(policy, name, flipped)
    with pytest.raises(AssertionError):
        test_a_toy_finds_the_best_policy_there_is("ppo")
