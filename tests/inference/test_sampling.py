"""Filters against transformers' own, and what is drawn against the probabilities."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from fragua.errors import InputError
from fragua.inference.sampling import Sampling, logprobs_of, pick, sample, warp


def logits(seed: int, rows: int = 3, vocab: int = 50) -> torch.Tensor:
    return torch.randn(rows, vocab, generator=torch.Generator().manual_seed(seed)) * 3


@given(
    seed=st.integers(0, 10_000),
    temperature=st.floats(0.1, 3.0),
    top_k=st.none() | st.integers(1, 60),
    top_p=st.floats(0.05, 1.0),
    min_p=st.floats(0.0, 1.0),
    penalty=st.sampled_from([1.0, 0.7, 1.3]),
)
@settings(max_examples=150)
def test_filters_keep_what_transformers_keeps(
    seed: int, temperature: float, top_k: int | None, top_p: float, min_p: float, penalty: float
) -> None:
    logits_BV = logits(seed)
    previous_BT = torch.randint(0, 50, (3, 7), generator=torch.Generator().manual_seed(seed))
    processors = LogitsProcessorList(
        [RepetitionPenaltyLogitsProcessor(penalty), TemperatureLogitsWarper(temperature)]
    )
    if top_k is not None:
        processors.append(TopKLogitsWarper(top_k))
    if top_p < 1.0:
        processors.append(TopPLogitsWarper(top_p))
    if min_p > 0.0:
        processors.append(MinPLogitsWarper(min_p))
    expected_BV = processors(previous_BT, logits_BV.clone())
    seen_BV = torch.zeros(3, 50, dtype=torch.bool).scatter(1, previous_BT, True)
    sampling = Sampling(
        temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=penalty
    )
    torch.testing.assert_close(warp(logits_BV, sampling, seen_BV), expected_BV, rtol=1e-6, atol=1e-6)


def test_what_is_drawn_follows_the_probabilities() -> None:
    """Chi-square of 20,000 draws over 8 tokens: 7 degrees of freedom, 24.3 is the 99.9 % point."""
    logits_BV = logits(1, rows=1, vocab=8) / 3
    sampling, draws = Sampling(temperature=1.3), 20_000
    generator = torch.Generator().manual_seed(5)
    many_BV = logits_BV.expand(draws, 8)
    drawn_B = sample(many_BV, sampling, generators=[generator] * draws)
    expected_V = (logits_BV[0] / 1.3).softmax(-1) * draws
    counts_V = torch.bincount(drawn_B, minlength=8)
    assert float(((counts_V - expected_V) ** 2 / expected_V).sum()) < 24.3


def test_a_filtered_token_is_never_drawn() -> None:
    many_BV = logits(2, rows=1).expand(5000, 50)
    drawn_B = sample(
        many_BV, Sampling(temperature=2.0, top_k=3), generators=[torch.Generator().manual_seed(0)] * 5000
    )
    assert set(drawn_B.tolist()) == set(many_BV[0].topk(3).indices.tolist())


@pytest.mark.parametrize("spread", [0.1, 3.0])
def test_a_large_vocabulary_is_drawn_from_as_if_it_were_sorted_whole(spread: float) -> None:
    """Also where the likeliest tokens, looked through first, do not hold the one that is drawn."""
    logits_BV = logits(4, rows=64, vocab=3000) * spread / 3
    numbers_B = torch.rand(64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    drawn_B = pick(logits_BV, numbers_B)
    for logits_V, drawn, number in zip(logits_BV, drawn_B.tolist(), numbers_B.tolist(), strict=True):
        probs, order = logits_V.double().softmax(-1).sort(descending=True)
        assert drawn == order[int((probs.cumsum(-1) <= number).sum())]


def test_greedy_takes_the_largest_and_needs_no_generator() -> None:
    logits_BV = logits(3)
    assert torch.equal(sample(logits_BV, Sampling()), logits_BV.argmax(-1))


def test_a_row_draws_the_same_alone_and_in_a_batch() -> None:
    logits_BV, sampling = logits(4, rows=5), Sampling(temperature=1.0, top_p=0.9)
    together = sample(
        logits_BV, sampling, generators=[torch.Generator().manual_seed(row) for row in range(5)]
    )
    alone = [
        sample(logits_BV[row : row + 1], sampling, generators=[torch.Generator().manual_seed(row)])
        for row in range(5)
    ]
    assert torch.equal(together, torch.cat(alone))


def test_logprobs_are_the_models_own() -> None:
    logits_BV, ids_B = logits(5), torch.tensor([3, 1, 4])
    expected_B = logits_BV.log_softmax(-1)[torch.arange(3), ids_B]
    torch.testing.assert_close(logprobs_of(logits_BV, ids_B), expected_B)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1},
        {"top_k": 0},
        {"top_p": 0},
        {"top_p": 1.1},
        {"min_p": -0.1},
        {"repetition_penalty": 0},
    ],
)
def test_a_value_out_of_range_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Sampling.parse(wrong)


def test_an_unknown_option_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match="did you mean 'temperature'"):
        Sampling.parse({"temprature": 1})
