"""A turn in the engine: nothing is lost or told twice, and a call is never text."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fragua.inference.chat import MAX_ROUNDS
from fragua.inference.engine import Chunk, Constraint, Engine, Sampling, TokenLogprob
from fragua.inference.language_model import LanguageModel
from fragua.inference.releasing import Releaser
from fragua.inference.stopping import TextStream
from fragua.inference.tools import CALCULATOR
from fragua.inference.turns import Happening, Reply, Turn
from fragua.tokens.tokenizer import TOOL_CALL, TOOL_CALL_END
from tests.tiny_model import tiny_tokenizer

TEXTS = st.text(alphabet="añ😀 12<to_cal>日本", max_size=24)


@given(text=TEXTS, stops=st.lists(st.text(alphabet="añ😀 1<", min_size=1, max_size=3), max_size=2))
def test_tokens_are_told_with_just_the_text_that_is_shown(text: str, stops: list[str]) -> None:
    tokenizer = tiny_tokenizer()
    releaser, stream = Releaser(tokenizer.stream(), stops), TextStream(tokenizer.stream(), stops)
    ids = tokenizer.encode(text)
    releases = [releaser.feed(token, TokenLogprob(token, -1.0)) for token in ids] + [releaser.flush()]
    shown = "".join(release.text for release in releases)
    assert shown == "".join([*map(stream.feed, ids), stream.flush()])
    told = [written for release in releases for written in release.tokens]
    assert [written.logprob.token for written in told] == ids[: len(told)], "in order, each once"
    assert all(written.offset < len(shown) for written in told)
    if not stream.stopped:
        assert len(told) == len(ids)


def _read(tokens: list[int], reason: Any = "stop") -> list[Happening]:
    reply = Reply(tiny_tokenizer())
    chunks = [Chunk(0, "", (token,), ()) for token in tokens] + [Chunk(0, "", (), (), reason)]
    return [happening for chunk in chunks for happening in reply.feed(chunk)]


def _call(text: str) -> list[int]:
    tokenizer = tiny_tokenizer()
    opening, closing = (tokenizer.special_ids[literal] for literal in (TOOL_CALL, TOOL_CALL_END))
    return [opening, *tokenizer.encode(text), closing]


def test_a_call_is_told_whole_and_what_is_none_is_text() -> None:
    encode = tiny_tokenizer().encode
    told = _read([*encode("uno "), *_call('{"name": "f", "arguments": {"x": "ñ"}}'), *encode(" dos")])
    assert [happening.call["function"] for happening in told if happening.call] == [
        {"name": "f", "arguments": {"x": "ñ"}}
    ]
    assert "".join(happening.text for happening in told) == "uno  dos"
    for broken in (_call('{"name": 3}'), encode("<tool_call>{}</tool_call>")):
        told = _read(broken)
        assert not any(happening.call for happening in told)
        assert "".join(happening.text for happening in told).startswith("<tool_call>{")
    cut = _read(_call('{"name": "f", "arguments": {}}')[:-1], "length")
    assert "".join(happening.text for happening in cut) == ""


def test_calls_are_run_here_until_patience_ends(lm: LanguageModel) -> None:
    opening, closing = (lm.tokenizer.special_ids[literal] for literal in (TOOL_CALL, TOOL_CALL_END))
    always = f'start: <[{opening}]> "{{\\"name\\": \\"calculator\\", \\"arguments\\": '
    always += f'{{\\"expression\\": \\"12*37\\"}}}}" <[{closing}]>\n'
    sampling = Sampling(temperature=0, max_tokens=60, constraint=Constraint(lark=always))

    async def talk(context: int) -> list[Happening]:
        with Engine(lm) as engine:
            turn = Turn(engine, [{"role": "user", "content": "?"}], sampling, run=(CALCULATOR,))
            turn.begin(turn.prompt())
            happenings = [happening async for happening in turn]
            assert turn.completion_tokens > 0 and turn.steps[0][0]["role"] == "assistant"
            return happenings

    told = asyncio.run(talk(lm.context))
    results = [happening.result for happening in told if happening.result]
    assert 1 <= len(results) <= MAX_ROUNDS and set(results) == {"444"}
    assert told[-1].finish_reason is not None
    assert sum(happening.finish_reason is not None for happening in told) == 1
