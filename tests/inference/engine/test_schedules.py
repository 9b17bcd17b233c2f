"""Whatever else is asked, whenever, and however short the memory: a request's answer is its own."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.inference.engine import Engine, Result, Sampling, Store, TorchRunner
from fragua.inference.engine.store import PAGE, Pages
from tests.inference.engine.conftest import tiny

STARTS = [[7, 8, 9] * 12, [20, 21] * 20, [50]]
OPTIONS: list[dict[str, Any]] = [
    dict(temperature=0.0, logprobs=1),
    dict(seed=1, logprobs=0, top_p=0.9),
    dict(seed=2, repetition_penalty=1.2, prompt_logprobs=0),
    dict(seed=3, temperature=0.3, frequency_penalty=0.5),
]
request = st.tuples(
    st.integers(0, 2), st.integers(0, 36), st.integers(1, 6), st.integers(0, 3), st.integers(1, 24)
)


RUNNERS = [TorchRunner]
"""All that promise this."""


def prompt_of(start: int, kept: int, last: int) -> list[int]:
    return [*STARTS[start][:kept], last]


@cache
def alone(
    runner: type[TorchRunner], kind: str, start: int, kept: int, last: int, option: int, tokens: int
) -> Result:
    engine = Engine(tiny(kind), deterministic=True, prefix_cache=False, runner=runner)
    return engine.generate([prompt_of(start, kept, last)], Sampling(max_tokens=tokens, **OPTIONS[option]))[0]


@given(
    kind=st.sampled_from(["qwen3", "qwen3", "gpt2", "mistral", "t5"]),
    requests=st.lists(request, min_size=2, max_size=6),
    arrivals=st.lists(st.integers(0, 6), min_size=6, max_size=6),
    given_up=st.sets(st.integers(0, 5), max_size=1),
    step_tokens=st.integers(1, 40),
    max_running=st.integers(1, 5),
    spare_pages=st.integers(0, 6),
    prefix_cache=st.booleans(),
    lookup=st.booleans(),
    runner=st.sampled_from(RUNNERS),
)
@settings(max_examples=20)
def test_an_answer_is_the_same_alone_and_in_any_company(
    kind: str,
    requests: list[tuple[int, int, int, int, int]],
    arrivals: list[int],
    given_up: set[int],
    step_tokens: int,
    max_running: int,
    spare_pages: int,
    prefix_cache: bool,
    lookup: bool,
    runner: type[TorchRunner],
) -> None:
    """To the last bit of each log-probability."""
    lm = tiny(kind)
    if kind == "t5":
        requests = [(*each[:3], 1, each[4]) for each in requests]
    pages = 7 + spare_pages
    engine = Engine(
        lm,
        deterministic=True,
        step_tokens=step_tokens,
        max_running=max_running,
        cache_bytes=pages * Store.page_bytes(lm.model.config, torch.float32),
        prefix_cache=prefix_cache,
        draft="lookup" if lookup else None,
        runner=runner,
    )
    tickets = []
    for (start, kept, last, option, tokens), wait in zip(requests, arrivals, strict=False):
        for _ in range(wait):
            engine.step()
        sampling = Sampling(max_tokens=tokens, **OPTIONS[option])
        tickets.append(engine.submit(prompt_of(start, kept, last), sampling))
    for place in given_up & set(range(len(tickets))):
        engine.abort(tickets[place])
    for place, (asked, ticket) in enumerate(zip(requests, tickets, strict=True)):
        found, expected = ticket.result(), alone(runner, kind, *asked)
        if found.finish_reason == "abort":
            assert place in given_up and expected.token_ids[: len(found.token_ids)] == found.token_ids
            continue
        same = ("token_ids", "text", "finish_reason", "completion_tokens", "prompt_tokens", "logprobs")
        for name in (*same, "prompt_logprobs"):
            assert getattr(found, name) == getattr(expected, name), name
    engine.step()
    assert engine.metrics.pages_held == 0 and engine._schedule.pages.free == pages - 1


def test_memory_that_is_too_short_for_all_preempts_and_changes_nothing() -> None:
    lm = tiny("qwen3")
    prompts = [[place, *STARTS[0][:20]] for place in range(10, 16)]
    asked = Sampling(seed=4, max_tokens=40)
    roomy = Engine(lm, deterministic=True)
    tight = Engine(lm, deterministic=True, cache_bytes=12 * Store.page_bytes(lm.model.config, torch.float32))
    expected = [each.token_ids for each in roomy.generate(prompts, asked)]
    assert [each.token_ids for each in tight.generate(prompts, asked)] == expected
    assert tight.metrics.preemptions > 0 and roomy.metrics.preemptions == 0


def test_without_it_log_probabilities_agree_to_a_thousandth() -> None:
    lm = tiny("qwen3")
    prompts = [prompt_of(place % 3, 5 * place, 9) for place in range(8)]
    asked = Sampling(temperature=0.0, max_tokens=8, logprobs=0)
    together = Engine(lm).generate(prompts, asked)
    for prompt, result in zip(prompts, together, strict=True):
        by_itself = Engine(lm).generate([prompt], asked)[0]
        pairs = zip(result.logprobs or [], by_itself.logprobs or [], strict=True)
        assert all(abs(ours.logprob - theirs.logprob) < 1e-3 for ours, theirs in pairs)


texts = st.lists(st.integers(0, 1), min_size=PAGE, max_size=4 * PAGE).map(
    lambda ids: [token for token in ids for _ in range(PAGE)][: 4 * PAGE]
)


@given(st.lists(st.tuples(texts, st.booleans()), max_size=30), st.integers(2, 14))
@settings(max_examples=60)
def test_pages_are_found_by_their_tokens_and_never_lost(
    asked: list[tuple[list[int], bool]], count: int
) -> None:
    """Texts come, begin with what is found, take what they lack and go; a page's content is known all the while."""
    pages, content = Pages(count), dict[int, list[int]]()
    live: list[list[int]] = []
    for ids, leaves in asked:
        found = pages.match(ids)
        assert [token for page in found for token in content[page]] == ids[: len(found) * PAGE]
        for page in found:
            pages.hold(page)
        mine = list(found)
        while len(mine) < len(ids) // PAGE and (page := pages.take(mine[-1] if mine else None)) is not None:
            assert all(page not in other for other in live) and page not in mine and page != 0
            at = len(mine)
            mine.append(page)
            content[page] = ids[at * PAGE : (at + 1) * PAGE]
            pages.publish(mine[at - 1] if at else None, page, content[page])
        live.append(mine)
        if leaves:
            pages.release(live.pop(0))
        assert pages.held == len({page for each in live for page in each})
    for each in live:
        pages.release(each)
    assert pages.free == count - 1
