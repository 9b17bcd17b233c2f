"""The losses, by hand and at their edges."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fragua.alignment import losses

REWARD = st.floats(-20, 20, allow_nan=False)


def t(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_dpo_is_what_one_computes_by_hand() -> None:
    # π: −2 and −3 nats, π_ref: −2.5 and −2; ratios 0.5 and −1; β = 0.2: σ(0.2 · 1.5) = σ(0.3)
    chosen, rejected = t(-2.0) - t(-2.5), t(-3.0) - t(-2.0)
    loss = losses.dpo(chosen, rejected, 0.2)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-0.3)), abs=1e-12)
    smoothed = losses.dpo(chosen, rejected, 0.2, smoothing=0.1).item()
    assert smoothed == pytest.approx(0.9 * 0.554355244 + 0.1 * 0.854355244, abs=1e-8)


def test_ipo_wants_a_margin_and_no_more() -> None:
    assert losses.ipo(t(3.0), t(-2.0), 0.1).item() == 0.0
    assert losses.ipo(t(4.0), t(-2.0), 0.1).item() == 1.0


def test_kto_at_the_reference_is_a_half_and_pulls_each_verdict_its_own_way() -> None:
    ratio = t(0.0, 0.0).requires_grad_()
    loss = losses.kto(ratio, torch.tensor([True, False]), t(0.0)[0], 0.1, desirable=1.0, undesirable=2.0)
    assert loss.tolist() == [0.5, 1.0]
    loss.sum().backward()
    assert ratio.grad is not None
    assert ratio.grad.tolist() == pytest.approx([-0.1 / 4, 2 * 0.1 / 4])


@given(REWARD, REWARD)
def test_the_three_outcomes_of_a_comparison_are_all_there_are(a: float, b: float) -> None:
    no, yes = torch.tensor([False]), torch.tensor([True])
    chances = [
        torch.exp(-losses.bradley_terry(t(a), t(b), tie_N=no)),
        torch.exp(-losses.bradley_terry(t(b), t(a), tie_N=no)),
        torch.exp(-losses.bradley_terry(t(a), t(b), tie_N=yes)),
    ]
    assert sum(chances).item() == pytest.approx(1.0)  # type: ignore[union-attr]
    without = torch.exp(-losses.bradley_terry(t(a), t(b))).item()
    assert chances[0].item() / (chances[0] + chances[1]).item() == pytest.approx(without)


def test_the_best_of_two_is_bradley_and_terry_and_absent_answers_count_nothing() -> None:
    rewards = torch.tensor([[1.0, -0.5, -math.inf]])
    wanted = losses.bradley_terry(t(1.0), t(-0.5)).item()
    assert losses.best_of(rewards, torch.tensor([0])).item() == pytest.approx(wanted)


@given(REWARD, st.lists(st.floats(-5, 5), min_size=1, max_size=5, unique_by=lambda x: round(x, 2)))
def test_the_chances_of_all_ratings_add_up_to_one(reward: float, cuts: list[float]) -> None:
    cuts_C = t(*sorted(cuts))
    ratings = torch.arange(1, len(cuts) + 2)
    loss = losses.ordinal(t(reward).expand(len(ratings)), ratings, cuts_C)
    assert torch.exp(-loss).sum().item() == pytest.approx(1.0)
    bounds = [0.0, *torch.sigmoid(cuts_C - reward).tolist(), 1.0]
    slow = [high - low for low, high in itertools.pairwise(bounds)]
    assert torch.exp(-loss).tolist() == pytest.approx(slow, abs=1e-9)


def test_ordinal_gradients_are_finite_far_from_the_cuts() -> None:
    reward = t(80.0, -80.0, 0.0).requires_grad_()
    losses.ordinal(reward, torch.tensor([1, 3, 2]), t(-1.0, 1.0)).sum().backward()
    assert reward.grad is not None
    assert reward.grad.isfinite().all()
