"""Guessing ahead changes how fast an answer comes, and nothing in it."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
import torch
from scipy.stats import chisquare

from fragua.errors import InputError
from fragua.inference.engine import Engine, Sampling
from fragua.inference.language_model import LanguageModel
from fragua.inference.sampling import keep_top_k
from tests.inference.engine.conftest import tiny

REPETITIVE = [30, 31, 32, 33, 34] * 6


@pytest.mark.parametrize(
    "asked", [Sampling(temperature=0.0), Sampling(seed=5, top_k=3, repetition_penalty=1.1)]
)
def test_guessed_ahead_or_not_the_tokens_are_the_same(qwen: LanguageModel, asked: Sampling) -> None:
    prompts = [REPETITIVE, REPETITIVE[:7], [5, 6]]
    asked = asked.model_copy(update={"max_tokens": 30, "logprobs": 0})
    plain = Engine(qwen, deterministic=True)
    expected = plain.generate(prompts, asked)
    for draft in ("lookup", tiny("qwen3", noise=0.02)):
        engine = Engine(qwen, deterministic=True, draft=draft)
        assert engine.generate(prompts, asked) == expected
        assert engine.metrics.drafted_tokens > 0
        if draft != "lookup":
            assert engine.metrics.accepted_drafts > engine.metrics.drafted_tokens / 2
            assert engine.metrics.steps < plain.metrics.steps


def test_what_is_drawn_ahead_follows_the_model_s_distribution(qwen: LanguageModel) -> None:
    """Three tokens out of the three likeliest each, 27 outcomes with known probabilities."""
    expected: Counter[tuple[int, ...]] = Counter()

    def likeliest(ids: list[int]) -> list[tuple[int, float]]:
        with torch.inference_mode():
            probs_V = keep_top_k(qwen.model(torch.tensor([ids])).logits[:, -1], 3)[0].softmax(-1)
        best = probs_V.topk(3)
        return list(zip(best.indices.tolist(), best.values.tolist(), strict=True))

    prompt, drawn = [7, 8, 9], 600
    for first, second in product(range(3), repeat=2):
        a, p = likeliest(prompt)[first]
        b, q = likeliest([*prompt, a])[second]
        for c, r in likeliest([*prompt, a, b]):
            expected[a, b, c] = p * q * r * drawn
    engine = Engine(qwen, draft=tiny("qwen3", noise=0.06), max_running=64)
    ticket = engine.submit(prompt, Sampling(seed=1, top_k=3, max_tokens=3, ignore_end=True), n=drawn)
    found = Counter(tuple(result.token_ids) for result in ticket.results())
    assert set(found) <= set(expected)
    assert 0 < engine.metrics.accepted_drafts < engine.metrics.drafted_tokens
    often = [outcome for outcome in expected if expected[outcome] >= 5]
    rest = drawn - sum(expected[outcome] for outcome in often)
    counts = [found[outcome] for outcome in often] + [drawn - sum(found[outcome] for outcome in often)]
    assert chisquare(counts, [expected[outcome] for outcome in often] + [rest]).pvalue > 1e-3


def test_a_draft_of_another_vocabulary_is_refused(qwen: LanguageModel) -> None:
    other = LanguageModel(tiny("gpt2").model, _changed(qwen))
    with pytest.raises(InputError, match="another tokenizer"):
        Engine(qwen, draft=other)


def _changed(lm: LanguageModel):
    from fragua.tokens.train import train_tokenizer

    return train_tokenizer(["otro vocabulario, con otras palabras"] * 4, 300)
