"""Generation against transformers on the same weights, and against itself: cached, batched, sliding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

import fragua
from fragua.errors import InputError
from fragua.inference.decoding import window
from fragua.inference.language_model import LanguageModel
from fragua.inference.reading import BatchReader, Reader
from fragua.inference.scoring import score_sequences, windows

PROMPTS = ["Había una vez", "Once upon a time there was a baker", "¿", "", "12*37 = 444 y 😀"]


def uncached(lm: LanguageModel, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return lm.model(torch.tensor([ids])).logits[0, -1]


def plain_greedy(lm: LanguageModel, ids: list[int], count: int) -> list[int]:
    """The whole sequence read anew for every token: no cache, no batch."""
    ids, start = list(ids), len(ids)
    while len(ids) < start + count:
        token = int(uncached(lm, ids).argmax())
        if token in lm.tokenizer.stop_ids:
            break
        ids.append(token)
    return ids[start:]


def test_greedy_equals_transformers_generate(lm: LanguageModel, tiny_dir: Path) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(tiny_dir, dtype=torch.float32)
    for prompt in PROMPTS:
        ids = lm.tokenizer.encode(prompt) or [lm.tokenizer.end_id]
        output = theirs.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=30,
            do_sample=False,
            repetition_penalty=1.2,
            pad_token_id=lm.tokenizer.pad_id,
            eos_token_id=list(lm.tokenizer.stop_ids),
        )
        expected = [i for i in output[0, len(ids) :].tolist() if i not in lm.tokenizer.stop_ids]
        assert lm.generate(prompt, max_tokens=30, repetition_penalty=1.2).tokens == expected


def test_the_cache_changes_no_logit(lm: LanguageModel) -> None:
    ids = lm.tokenizer.encode("Había una vez una niña que vivía en Aldea")
    reader = Reader(lm.model)
    logits = [reader.read(ids[:5]), *(reader.feed(token) for token in ids[5:])]
    for count, logits_BV in enumerate(logits, 5):
        torch.testing.assert_close(logits_BV[0], uncached(lm, ids[:count]), rtol=0, atol=1e-5)


@given(st.lists(st.lists(st.integers(6, 383), min_size=1, max_size=90), min_size=1, max_size=5))
@settings(max_examples=25)
def test_what_was_read_before_is_kept_only_where_it_agrees(lm: LanguageModel, texts: list[list[int]]) -> None:
    """One reader through texts that share a start or nothing: each time the logits of a fresh one."""
    reader, common = Reader(lm.model), texts[0]
    for text in texts:
        ids = (common[: len(text) // 2] + text)[:95]
        torch.testing.assert_close(reader.read(ids)[0], uncached(lm, ids), rtol=0, atol=1e-5)
        assert reader.ids == ids and reader.cache is not None and reader.cache.length == len(ids)


def test_a_cache_that_grows_keeps_what_it_holds(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fragua.inference.reading.FIRST_CACHE", 4)
    ids = lm.tokenizer.encode(PROMPTS[1])
    reader = Reader(lm.model)
    reader.read(ids[:3])
    for count in range(4, len(ids)):
        logits_BV = reader.feed(ids[count - 1])
        torch.testing.assert_close(logits_BV[0], uncached(lm, ids[:count]), rtol=0, atol=1e-5)


def test_a_batch_changes_no_logit(lm: LanguageModel) -> None:
    prompts = [lm.tokenizer.encode(prompt) or [lm.tokenizer.end_id] for prompt in PROMPTS]
    reader = BatchReader(lm.model, prompts, new_tokens=3)
    more = torch.tensor([7, 8, 9, 10, 11])
    second_BV = reader.feed(more)
    reader.keep([3, 0])
    third_BV = reader.feed(torch.tensor([20, 21]))
    for row, ids in enumerate(prompts):
        torch.testing.assert_close(reader.logits_BV[row], uncached(lm, ids), rtol=0, atol=1e-5)
        torch.testing.assert_close(second_BV[row], uncached(lm, [*ids, int(more[row])]), rtol=0, atol=1e-5)
    torch.testing.assert_close(third_BV[0], uncached(lm, [*prompts[3], 10, 20]), rtol=0, atol=1e-5)
    torch.testing.assert_close(third_BV[1], uncached(lm, [*prompts[0], 7, 21]), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 1.0, "top_p": 0.9, "seed": 4, "repetition_penalty": 1.1}]
)
def test_a_prompt_gets_the_same_answer_alone_and_in_a_batch(
    lm: LanguageModel, options: dict[str, float]
) -> None:
    together = lm.generate(PROMPTS, max_tokens=25, logprobs=True, **options)
    for row, (prompt, completion) in enumerate(zip(PROMPTS, together, strict=True)):
        seeded = options | ({"seed": 4 + row} if options else {})
        alone = lm.generate(prompt, max_tokens=25, logprobs=True, **seeded)
        assert (alone.text, alone.tokens, alone.finish_reason) == (
            completion.text,
            completion.tokens,
            completion.finish_reason,
        )
        assert alone.logprobs == pytest.approx(completion.logprobs, abs=1e-4)


def test_greedy_without_any_cleverness_is_the_same(lm: LanguageModel) -> None:
    for prompt in PROMPTS:
        ids = lm.tokenizer.encode(prompt) or [lm.tokenizer.end_id]
        assert lm.generate(prompt, max_tokens=12).tokens == plain_greedy(lm, ids, 12)


def test_the_same_seed_gives_the_same_text_and_another_another(lm: LanguageModel) -> None:
    texts = [lm.generate("El", max_tokens=30, temperature=1.0, seed=seed).text for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    free = {lm.generate("El", max_tokens=30, temperature=1.0).text for _ in range(3)}
    assert len(free) == 3, "without a seed every call draws anew"


def test_logprobs_are_those_that_score_gives(lm: LanguageModel) -> None:
    ids = lm.tokenizer.encode("Había")
    completion = lm.generate("Había", max_tokens=20, temperature=0.7, top_k=5, seed=1, logprobs=True)
    scored = score_sequences(lm.model, [ids + completion.tokens], lm.context)[0][len(ids) - 1 :]
    assert completion.logprobs == pytest.approx(scored, abs=1e-4)


def test_a_score_is_the_log_softmax(lm: LanguageModel) -> None:
    score = lm.score("La capital de Francia es París.")
    assert score.tokens == lm.tokenizer.encode("La capital de Francia es París.")
    with torch.no_grad():
        logprobs_TV = lm.model(torch.tensor([score.tokens])).logits[0].log_softmax(-1)
    expected = [float(logprobs_TV[at - 1, token]) for at, token in enumerate(score.tokens) if at]
    assert score.logprobs[0] is None
    assert score.logprobs[1:] == pytest.approx(expected, abs=1e-5)
    assert lm.score("").tokens == lm.score("").logprobs == []


@given(length=st.integers(0, 300), context=st.integers(2, 64), stride=st.none() | st.integers(1, 80))
def test_windows_score_each_token_once_with_enough_before_it(
    length: int, context: int, stride: int | None
) -> None:
    scored: list[int] = []
    step = min(stride or max(1, context // 2), context - 1)
    for start, end, first in windows(length, context, stride):
        assert 0 <= start < first < end <= length and end - start <= context
        assert start == 0 or first - start >= context - step
        scored += range(first, end)
    assert scored == list(range(1, length))


def test_a_long_text_is_scored_in_windows(lm: LanguageModel) -> None:
    text = "Once upon a time there was a baker who knew every secret. " * 12
    with pytest.raises(InputError, match=r"\d+ tokens do not fit: the context holds 96"):
        lm.score(text)
    score = lm.score(text, overflow="slide")
    ids, context = score.tokens, lm.context
    for at in (1, 40, context - 1, context, context + 60, len(ids) - 1):
        place = next(w for w in windows(len(ids), context) if w.scored <= at < w.end)
        expected = uncached(lm, ids[place.start : at]).log_softmax(-1)[ids[at]]
        assert score.logprobs[at] == pytest.approx(float(expected), abs=1e-4)


def test_a_prompt_over_the_context_is_refused_with_both_numbers(lm: LanguageModel) -> None:
    long = "Había una vez " * 60
    tokens = len(lm.tokenizer.encode(long))
    for ask in (lm.generate, lm.stream, lambda text: lm.chat([{"role": "user", "content": text}])):
        with pytest.raises(InputError, match=r"tokens do not fit: the context holds 96"):
            ask(long)
    with pytest.raises(InputError, match=f"{tokens} tokens"):
        lm.generate(["short", long])


def test_an_answer_ends_where_the_context_does(lm: LanguageModel) -> None:
    ids = lm.tokenizer.encode(PROMPTS[1])
    completion = lm.generate(PROMPTS[1], max_tokens=1000, temperature=1.0, seed=1)
    assert completion.finish_reason == "length" and len(ids) + len(completion.tokens) == lm.context


def test_sliding_forgets_the_oldest_quarter_and_reads_on(lm: LanguageModel) -> None:
    """Against the same rule without a cache; also a prompt that is itself too long, and in a batch."""
    for prompt in (PROMPTS[1], "Había una vez " * 60):
        seen = window(lm.tokenizer.encode(prompt), lm.context)
        expected: list[int] = []
        while len(expected) < 150:
            token = int(uncached(lm, seen).argmax())
            if token in lm.tokenizer.stop_ids:
                break
            expected.append(token)
            seen = window([*seen, token], lm.context)
            assert len(seen) < lm.context
        completion = lm.generate(prompt, max_tokens=150, overflow="slide")
        assert completion.tokens == expected
        assert lm.generate(["El", prompt], max_tokens=150, overflow="slide")[1] == completion


def test_a_model_is_saved_as_it_was_loaded(lm: LanguageModel, tmp_path: Path) -> None:
    lm.save(tmp_path / "copy")
    copy = fragua.load(str(tmp_path / "copy"))
    assert copy.generate("Había", max_tokens=20) == lm.generate("Había", max_tokens=20)
    AutoModelForCausalLM.from_pretrained(tmp_path / "copy")


def test_a_missing_directory_and_a_wrong_option_are_one_clear_line(lm: LanguageModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        fragua.load(str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="did you mean 'max_tokens'"):
        lm.generate("a", max_token=3)
    with pytest.raises(InputError, match="temperature"):
        lm.generate("a", temperature=-1)
