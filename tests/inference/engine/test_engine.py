"""The engine against `lm.generate`, `lm.score` and `lm.embed`: the same numbers, from one queue."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import numpy as np
import pytest
import torch

from fragua.errors import InputError, RunError
from fragua.inference.engine import Busy, Engine, Sampling, Store
from fragua.inference.language_model import LanguageModel
from tests.inference.engine.conftest import tiny

PROMPTS = ["Había una vez", "Once upon a time there was a baker", "¿", "12*37 = 444 y 😀"]


def ids_of(lm: LanguageModel) -> list[list[int]]:
    return [lm.tokenizer.encode(prompt) for prompt in PROMPTS]


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("kind", ["qwen3", "gpt2", "mistral", "t5"])
@pytest.mark.parametrize(
    "options",
    [
        dict(temperature=0.0),
        dict(temperature=0.8, top_k=40, top_p=0.9, min_p=0.01, repetition_penalty=1.2, seed=5),
    ],
)
def test_the_engine_writes_what_generate_writes(
    kind: str, deterministic: bool, options: dict[str, Any]
) -> None:
    """In steps so small that prompts are cut; a small window and learned positions included."""
    lm = tiny(kind)
    engine = Engine(lm, deterministic=deterministic, step_tokens=5, max_running=3)
    asked = Sampling(max_tokens=24, logprobs=2, **options)
    prompts = [lm.prompt_ids(text) for text in PROMPTS]
    results = engine.generate(prompts, asked)
    expected = lm.generate(PROMPTS, max_tokens=24, logprobs=True, **options)
    for prompt, ours, theirs in zip(prompts, results, expected, strict=True):
        assert (ours.token_ids, ours.text, ours.finish_reason) == (
            theirs.tokens,
            theirs.text,
            theirs.finish_reason,
        )
        assert ours.logprobs is not None
        assert [each.logprob for each in ours.logprobs] == pytest.approx(theirs.logprobs, abs=1e-4)
        assert all(each.top[0][1] >= each.top[1][1] for each in ours.logprobs)
        ended = ours.ended_by is not None
        assert ours.prompt_tokens == len(prompt) and ours.cached_tokens == 0
        assert ours.completion_tokens == len(ours.token_ids) + ended
    told = engine.metrics.snapshot()
    assert told["pages_held"] == told["running"] == told["waiting"] == 0
    assert told["completion_tokens"] == sum(result.completion_tokens for result in results)
    assert told["prompt_tokens"] == sum(map(len, prompts))
    assert sum(told["time_to_first_token_s"]["counts"]) == len(results)


def test_scores_are_those_of_score(qwen: LanguageModel) -> None:
    engine = Engine(qwen, step_tokens=7)
    for text, scored in zip(PROMPTS, engine.score(ids_of(qwen)), strict=True):
        assert scored[0] is None
        assert scored[1:] == pytest.approx(qwen.score(text).logprobs[1:], abs=1e-4)
    whole = qwen.tokenizer.encode(PROMPTS[1] * 20)[: qwen.context]
    assert len(engine.score([whole])[0]) == qwen.context, "a text that fills the context can be scored"
    asked = Sampling(temperature=0.0, max_tokens=6, logprobs=0, prompt_logprobs=3)
    result = engine.generate(ids_of(qwen)[:1], asked)[0]
    both = qwen.tokenizer.encode(PROMPTS[0]) + result.token_ids
    assert result.prompt_logprobs is not None and result.logprobs is not None
    told = [*result.prompt_logprobs[1:], *result.logprobs]
    assert [each.logprob for each in told if each] == pytest.approx(engine.score([both])[0][1:], abs=1e-4)
    assert all(len(each.top) == 3 for each in result.prompt_logprobs if each)


@pytest.mark.parametrize("deterministic", [False, True])
def test_embeddings_are_those_of_embed(qwen: LanguageModel, deterministic: bool) -> None:
    engine = Engine(qwen, step_tokens=8, deterministic=deterministic)
    ticket = engine.submit(ids_of(qwen)[0], Sampling(max_tokens=3, ignore_end=True))
    found = engine.embed(PROMPTS, pooling="last")
    np.testing.assert_allclose(found, qwen.embed(PROMPTS, pooling="last"), atol=1e-5)
    assert engine.embed([]).shape == (0, qwen.model.config.width)
    assert ticket.result().completion_tokens == 3, "writing goes on between"


def test_penalties_bias_and_ends(qwen: LanguageModel) -> None:
    """Each against the rule written out over an uncached forward."""
    prompt = ids_of(qwen)[1]
    asked = Sampling(
        temperature=0.0,
        max_tokens=20,
        frequency_penalty=0.7,
        presence_penalty=0.4,
        repetition_penalty=1.3,
        logit_bias={30: 2.5, 31: -100.0},
        min_tokens=9,
        stop_ids=(40, 41, 42, 43, 44),
    )
    ends, ids = {*asked.stop_ids, *qwen.tokenizer.stop_ids}, list(prompt)
    with torch.inference_mode():
        while len(ids) < len(prompt) + 20 and not (len(ids) > len(prompt) + 9 and ids[-1] in ends):
            logits_V = qwen.model(torch.tensor([ids])).logits[0, -1]
            for token in set(ids):
                logits_V[token] *= 1.3 if logits_V[token] < 0 else 1 / 1.3
            for token in set(ids[len(prompt) :]):
                logits_V[token] -= 0.7 * ids[len(prompt) :].count(token) + 0.4
            logits_V[30] += 2.5
            logits_V[31] -= 100
            if len(ids) < len(prompt) + 9:
                logits_V[list(ends)] = -torch.inf
            ids.append(int(logits_V.argmax()))
    result = Engine(qwen).generate([prompt], asked)[0]
    written = ids[len(prompt) :]
    assert result.token_ids == [token for token in written if token not in ends or token != written[-1]]
    assert result.completion_tokens == len(written)
    everything = Sampling(temperature=0.0, logit_bias={qwen.tokenizer.end_id: 100.0}, max_tokens=5)
    ended = Engine(qwen).generate([prompt], everything)[0]
    assert (ended.finish_reason, ended.token_ids, ended.completion_tokens) == ("stop", [], 1)
    assert ended.ended_by is not None and ended.ended_by.token == qwen.tokenizer.end_id
    ignored = Engine(qwen).generate([prompt], everything.model_copy(update={"ignore_end": True}))[0]
    assert ignored.token_ids == [qwen.tokenizer.end_id] * 5 and ignored.finish_reason == "length"


def test_chunks_join_to_the_text_and_hold_nothing_of_a_stop_string(qwen: LanguageModel) -> None:
    engine, prompt = Engine(qwen), ids_of(qwen)[0]
    whole = engine.generate([prompt], Sampling(seed=2, max_tokens=60))[0].text
    stop = whole[10:13]
    ticket = engine.submit(prompt, Sampling(seed=2, max_tokens=60, stop=(stop,), logprobs=0))
    chunks = list(ticket)
    result = ticket.result()
    assert "".join(chunk.text for chunk in chunks) == result.text == whole[: whole.index(stop)]
    assert [token for chunk in chunks for token in chunk.token_ids] == result.token_ids
    assert [each for chunk in chunks for each in chunk.logprobs] == result.logprobs
    assert [chunk.finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    later = Sampling(seed=2, max_tokens=60, stop=(stop,), min_tokens=40)
    assert engine.generate([prompt], later)[0].completion_tokens >= 40


def test_n_answers_read_the_prompt_once(qwen: LanguageModel) -> None:
    prompt = (ids_of(qwen)[1] * 5)[:70]
    engine = Engine(qwen, step_tokens=16)
    ticket = engine.submit(prompt, Sampling(seed=8, max_tokens=10), n=4)
    seen = {chunk.answer for chunk in ticket}
    assert seen == {0, 1, 2, 3}
    alone = [
        engine.generate([prompt], Sampling(seed=8 + place, max_tokens=10))[0].token_ids for place in range(4)
    ]
    assert [result.token_ids for result in ticket.results()] == alone
    assert [result.cached_tokens for result in ticket.results()] == [0, 64, 64, 64]


def test_a_shared_beginning_is_computed_once(qwen: LanguageModel) -> None:
    start, engine = (ids_of(qwen)[1] * 5)[:40], Engine(qwen)
    first = engine.generate([[*start, 9, 9, 9]], Sampling(temperature=0, max_tokens=4))[0]
    before = engine.metrics.computed_rows
    second = engine.generate([[*start, 8, 8, 8]], Sampling(temperature=0, max_tokens=4))[0]
    assert (first.cached_tokens, second.cached_tokens) == (0, 32)
    assert engine.metrics.computed_rows - before == 43 - 32 + 3
    plain = Engine(qwen, prefix_cache=False)
    again = plain.generate([[*start, 8, 8, 8]] * 2, Sampling(temperature=0, max_tokens=4))
    assert [each.cached_tokens for each in again] == [0, 0] and again[0].token_ids == second.token_ids


def test_giving_up_frees_the_pages_within_a_step(qwen: LanguageModel) -> None:
    engine = Engine(qwen, max_running=2)
    tickets = [engine.submit(prompt, Sampling(max_tokens=50, ignore_end=True)) for prompt in ids_of(qwen)]
    for _ in range(3):
        engine.step()
    engine.abort(tickets[0])
    engine.abort(tickets[3])  # still in the queue
    engine.step()
    assert [tickets[place].result().finish_reason for place in (0, 3)] == ["abort", "abort"]
    assert tickets[0].result().completion_tokens == 3 and tickets[3].result().completion_tokens == 0
    assert [tickets[place].result().finish_reason for place in (1, 2)] == ["length", "length"]
    assert engine.metrics.pages_held == 0 and engine.metrics.finished["abort"] == 2


def test_threads_share_one_engine(qwen: LanguageModel) -> None:
    """Eight threads and an event loop ask at once; each gets what it would alone; closing answers all first."""
    prompts = ids_of(qwen)
    alone = {
        place: qwen.generate(PROMPTS[place], max_tokens=12, temperature=1.0, seed=place) for place in range(4)
    }
    found: dict[tuple[int, int], list[int]] = {}

    def ask(engine: Engine, who: int) -> None:
        for place, prompt in enumerate(prompts):
            ticket = engine.submit(prompt, Sampling(max_tokens=12, seed=place))
            found[who, place] = [token for chunk in ticket for token in chunk.token_ids]

    async def ask_async(engine: Engine) -> list[int]:
        ticket = engine.submit(prompts[0], Sampling(max_tokens=12, seed=0))
        return [token async for chunk in ticket for token in chunk.token_ids]

    with Engine(qwen) as engine:
        threads = [threading.Thread(target=ask, args=(engine, who)) for who in range(4)]
        for thread in threads:
            thread.start()
        assert asyncio.run(ask_async(engine)) == alone[0].tokens
        assert engine.embed(["hola"]).shape == (1, 32)
        late = engine.submit(prompts[0], Sampling(max_tokens=12, seed=0))
        for thread in threads:
            thread.join()
    assert late.result().token_ids == alone[0].tokens
    assert len(found) == 16
    assert all(tokens == alone[place].tokens for (_, place), tokens in found.items())
    with pytest.raises(RunError, match="closed"):
        engine.submit(prompts[0])


def test_an_unstarted_engine_serves_async_too(qwen: LanguageModel) -> None:
    async def ask() -> int:
        ticket = Engine(qwen).submit(ids_of(qwen)[0], Sampling(max_tokens=5, ignore_end=True))
        return sum([len(chunk.token_ids) async for chunk in ticket])

    assert asyncio.run(ask()) == 5


def test_a_model_that_breaks_tells_everybody_and_the_engine_goes_on(
    qwen: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(qwen)
    with monkeypatch.context() as patch:
        nan = torch.full((1, qwen.model.config.vocab_size), torch.nan)
        patch.setattr(engine._stepper.runner, "logits", lambda x_WD: nan.expand(len(x_WD), -1))
        tickets = [engine.submit(prompt) for prompt in ids_of(qwen)]
        for ticket in tickets:
            with pytest.raises(RunError, match="not finite"):
                ticket.result()
    whole = Sampling(max_tokens=4, ignore_end=True)
    assert engine.generate(ids_of(qwen)[:1], whole)[0].completion_tokens == 4
    assert engine.metrics.pages_held == 0


def test_what_cannot_be_asked_is_one_clear_line(qwen: LanguageModel) -> None:
    page = Store.page_bytes(qwen.model.config, torch.float32)
    engine = Engine(qwen, cache_bytes=4 * page, max_waiting=2)
    with pytest.raises(InputError, match="the prompt is empty"):
        engine.submit([])
    with pytest.raises(InputError, match="token id 448 is outside the vocabulary of 448"):
        engine.submit([448])
    with pytest.raises(InputError, match=r"logit_bias: token id -1"):
        engine.submit([1], Sampling(logit_bias={-1: 1.0}))
    with pytest.raises(InputError, match="96 tokens do not fit: the context holds 96"):
        engine.submit([7] * 96)
    with pytest.raises(InputError, match=r"40 tokens and 20 more need 4 pages of 3; .*cache_bytes"):
        engine.submit([7] * 40, Sampling(max_tokens=20))
    with pytest.raises(InputError, match="did you mean 'max_tokens'"):
        Sampling.parse({"max_token": 3}, "request")
    with pytest.raises(InputError, match="n is 0"):
        engine.submit([7], n=0)
    with pytest.raises(InputError, match="max_running is 0"):
        Engine(qwen, max_running=0)
    with pytest.raises(InputError, match="cache_bytes"):
        Engine(qwen, cache_bytes=page)
    short = Sampling(max_tokens=3, ignore_end=True)
    tickets = [engine.submit([7], short), engine.submit([7], short)]
    with pytest.raises(Busy, match="2 requests are waiting already"):
        engine.submit([7], short)
    assert [len(ticket.result().token_ids) for ticket in tickets] == [3, 3]
    assert len(engine.generate([[7]] * 5, short)) == 5, "generate waits for room"


def test_waiting_for_a_ticket_is_no_busy_loop(qwen: LanguageModel) -> None:
    with Engine(qwen) as engine:
        used = time.thread_time()
        engine.submit(ids_of(qwen)[0], Sampling(max_tokens=40)).result()
        assert time.thread_time() - used < 0.2
