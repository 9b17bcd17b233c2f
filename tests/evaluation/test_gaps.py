"""All families are asked for the same tokens, and each is asked as it can be."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch

from fragua.evaluation.gaps import Gap, draw_gaps, judge_gaps, unigram_baseline, write_on
from fragua.inference.language_model import LanguageModel
from fragua.models.build import build
from fragua.models.presets import Trained, preset
from fragua.tokens.train import train_tokenizer

TEXT = "la forja canta de noche y el hierro duerme en la forja cuando canta el hierro"


def made(family: Trained) -> LanguageModel:
    """Random weights, small ones: every token is about as likely as any other."""
    tokenizer = train_tokenizer([TEXT] * 3, 384, family=family)
    stack = preset(family, 1, tokenizer.vocab_size, 64, pad_id=tokenizer.pad_id or 0, width=16, heads=2)
    model = build(stack).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)) * 0.02)
    return LanguageModel(model, tokenizer)


@pytest.mark.parametrize("family", get_args(Trained))
def test_who_knows_nothing_is_as_perplexed_as_the_vocabulary_is_large(family: Trained) -> None:
    lm = made(family)
    ids = lm.tokenizer.encode(TEXT)
    told = judge_gaps(lm, [Gap(np.array(ids), place) for place in (1, 5, len(ids) - 1)])
    assert told["perplexity"] == pytest.approx(lm.model.config.vocab_size, rel=0.05)
    assert told["loss"] == pytest.approx(math.log(told["perplexity"]))


def test_a_gap_of_a_decoder_is_its_next_token(lm: LanguageModel) -> None:
    ids = lm.tokenizer.encode("Íñigo forja rejas en Aldea")
    told = [judge_gaps(lm, [Gap(np.array(ids), place)])["loss"] for place in range(1, len(ids))]
    with torch.no_grad():
        logprobs = lm.decoder(torch.tensor([ids])).logits[0].log_softmax(-1)
    wanted = [-float(logprobs[place - 1, ids[place]]) for place in range(1, len(ids))]
    assert told == pytest.approx(wanted, abs=1e-4)


def test_what_a_decoder_writes_gap_by_gap_is_what_it_writes(lm: LanguageModel) -> None:
    prompt = "Íñigo forja"
    ids = lm.tokenizer.encode(prompt)
    written = write_on(lm, ids, 6, temperature=1e-4, seed=0)
    assert written == list(lm.generate(prompt, max_tokens=6).tokens)


@pytest.mark.parametrize("family", get_args(Trained))
def test_every_family_writes_by_lot_and_never_special_tokens(family: Trained) -> None:
    lm = made(family)
    ids = lm.tokenizer.encode("la forja")
    written = write_on(lm, ids, 70, temperature=1.0, seed=1)  # longer than the context
    assert len(written) == 70 and written == write_on(lm, ids, 70, temperature=1.0, seed=1)
    assert not set(written) & set(lm.tokenizer.special_ids.values())


def test_frequencies_tell_what_they_tell() -> None:
    gaps = [Gap(np.array([1, 0]), 1), Gap(np.array([0, 1]), 1)]
    told = unigram_baseline([[0, 0, 0, 1]], gaps, 2)  # 4 and 2 of 6, each counted once more
    assert told["loss"] == pytest.approx(-(math.log(4 / 6) + math.log(2 / 6)) / 2)
    assert told["accuracy"] == 0.5


def test_gaps_are_drawn_alike_and_inside() -> None:
    documents = [list(range(50)), [1, 2], list(range(7))]
    gaps = draw_gaps(documents, 20, 40, seed=0)
    assert len(gaps) == 40 and all(0 < gap.place < len(gap.ids_T) <= 20 for gap in gaps)
    again = draw_gaps(documents, 20, 40, seed=0)
    assert [gap.place for gap in gaps] == [gap.place for gap in again]
