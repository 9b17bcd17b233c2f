"""What OpenAI's own client relies on: if one of these fails, programs written for it break."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import openai
import pydantic
import pytest

from tests.server.api.conftest import Here

HELLO: list[Any] = [{"role": "user", "content": "¿Cuánto es 12*37?"}]
SAME: dict[str, Any] = {"model": "tiny", "temperature": 0, "seed": 5, "max_tokens": 12, "tool_choice": None}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "of a town",
        "parameters": {
            "type": "object",
            "properties": {
                "town": {"type": "string", "maxLength": 8},
                "days": {"type": "integer", "minimum": 0, "maximum": 9},
            },
            "required": ["town", "days"],
            "additionalProperties": False,
        },
    },
}
CLOCK: Any = {"type": "function", "function": {"name": "clock"}}


def test_a_chat_whole_and_streamed_say_the_same(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(messages=HELLO, **SAME)
    chunks = list(
        client.chat.completions.create(
            messages=HELLO, stream=True, stream_options={"include_usage": True}, **SAME
        )
    )
    *said, last = chunks
    assert said[0].choices[0].delta.role == "assistant"
    assert all(chunk.choices[0].delta.role is None for chunk in said[1:])
    assert "".join(chunk.choices[0].delta.content or "" for chunk in said) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in said[-2:]] == [None, whole.choices[0].finish_reason]
    assert last.choices == [] and last.usage is not None and whole.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (
        whole.usage.prompt_tokens,
        whole.usage.completion_tokens,
    )
    assert {chunk.id for chunk in chunks} == {last.id} and last.object == "chat.completion.chunk"
    assert whole._request_id and whole.usage.total_tokens == whole.usage.prompt_tokens + 12


def test_the_text_is_that_of_the_model_itself(client: openai.OpenAI, here: Here) -> None:
    lm = here.hosting.models["tiny"].lm
    told = client.completions.create(model="tiny", prompt="Había una vez", temperature=0, max_tokens=20)
    assert told.choices[0].text == lm.generate("Había una vez", max_tokens=20).text
    assert told.choices[0].finish_reason == "length"


def test_n_seed_and_temperature(client: openai.OpenAI) -> None:
    def draw(seed: int, n: int) -> list[str | None]:
        told = client.chat.completions.create(
            model="tiny", messages=HELLO, n=n, seed=seed, max_tokens=8, tools=[CLOCK], tool_choice="none"
        )
        assert [choice.index for choice in told.choices] == list(range(n))
        return [choice.message.content for choice in told.choices]

    assert draw(7, 3) == draw(7, 3)
    assert draw(7, 3)[1:] == draw(8, 2), "answer i draws with seed + i"
    assert len(set(draw(7, 3))) > 1


def test_stop_and_logit_bias(client: openai.OpenAI, here: Here) -> None:
    lm = here.hosting.models["tiny"].lm
    free = client.completions.create(model="tiny", prompt="Once upon", temperature=0, max_tokens=24).choices[
        0
    ]
    stop = free.text[5:8]
    for stream in (False, True):
        told: Any = client.completions.create(
            model="tiny",
            prompt="Once upon",
            temperature=0,
            max_tokens=24,
            stop=[stop, "never"],
            stream=stream,
        )
        choices = [chunk.choices[0] for chunk in told] if stream else told.choices
        assert "".join(choice.text for choice in choices) == free.text[: free.text.index(stop)]
        assert choices[-1].finish_reason == "stop"
    (letter,) = lm.tokenizer.encode("x")
    biased = client.completions.create(
        model="tiny", prompt="Once upon", max_tokens=4, logit_bias={str(letter): 100}
    )
    assert biased.choices[0].text == "xxxx"


def test_logprobs_of_a_chat(client: openai.OpenAI) -> None:
    asked = {**SAME, "logprobs": True, "top_logprobs": 3}
    whole = client.chat.completions.create(messages=HELLO, **asked).choices[0]
    assert whole.logprobs is not None and whole.logprobs.content is not None
    streamed = client.chat.completions.create(messages=HELLO, stream=True, **asked)
    tokens = [
        token
        for chunk in streamed
        if chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content or []
    ]
    assert [token.token for token in tokens] == [token.token for token in whole.logprobs.content]
    for token in whole.logprobs.content:
        assert len(token.top_logprobs) == 3
        assert token.logprob == token.top_logprobs[0].logprob <= 0, "greedy takes the likeliest"
        assert all(a.logprob >= b.logprob for a, b in pairwise(token.top_logprobs))
    data = b"".join(bytes(token.bytes or []) for token in whole.logprobs.content)
    assert data.decode(errors="replace") == whole.message.content


def test_a_stop_strings_tokens_are_not_told(client: openai.OpenAI) -> None:
    free = client.chat.completions.create(messages=HELLO, **SAME).choices[0].message.content or ""
    for stream in (False, True):
        told: Any = client.chat.completions.create(
            messages=HELLO, stop=free[4:6], logprobs=True, stream=stream, **SAME
        )
        choices = [chunk.choices[0] for chunk in told] if stream else told.choices
        tokens = [token for choice in choices if choice.logprobs for token in choice.logprobs.content]
        shown = free[: free.index(free[4:6])].encode()
        data = b"".join(bytes(token.bytes) for token in tokens[:-1])
        assert shown.startswith(data), "but for the one in which it begins"


def test_echo_gives_the_prompts_logprobs_as_evaluation_harnesses_read_them(
    client: openai.OpenAI, here: Here
) -> None:
    lm = here.hosting.models["tiny"].lm
    texts = ["Había una vez", "There was a baker"]
    ids = [lm.tokenizer.encode(text) for text in texts]
    told = client.completions.create(
        model="tiny", prompt=ids, max_tokens=1, temperature=0, logprobs=1, echo=True, seed=1
    )
    for choice, text, prompt in zip(told.choices, texts, ids, strict=True):
        assert choice.text.startswith(text) and choice.logprobs is not None
        found, top = choice.logprobs.token_logprobs, choice.logprobs.top_logprobs
        assert found is not None and top is not None and choice.logprobs.text_offset is not None
        assert len(found) == len(prompt) + 1 and found[0] is None and top[0] is None
        np.testing.assert_allclose(found[1:-1], lm.score(text).logprobs[1:], atol=1e-4)
        assert all(value <= max(best.values()) for value, best in zip(found[1:], top[1:], strict=True))
        assert found[-1] == max(top[-1].values()), "greedy"
        assert choice.logprobs.text_offset[0] == 0 and choice.logprobs.text_offset[-1] == len(text)
    scored = client.completions.create(model="tiny", prompt=ids, max_tokens=0, logprobs=0, echo=True)
    assert [choice.text for choice in scored.choices] == texts


def test_a_forced_tool_is_called_with_arguments_that_fit_its_schema(client: openai.OpenAI) -> None:
    named = {"type": "function", "function": {"name": "weather"}}
    for choice, names in ((named, {"weather"}), ("required", {"weather", "clock"})):
        for seed in range(3):
            asked: dict[str, Any] = dict(
                model="tiny", messages=HELLO, tools=[WEATHER, CLOCK], tool_choice=choice, seed=seed,
                parallel_tool_calls=False, max_tokens=200,
            )  # fmt: skip
            whole = client.chat.completions.create(**asked).choices[0]
            (call,) = whole.message.tool_calls or []
            assert whole.finish_reason == "tool_calls" and whole.message.content is None
            assert call.type == "function" and call.function.name in names
            given = json.loads(call.function.arguments)
            if call.function.name == "weather":
                assert set(given) == {"town", "days"} and given["days"] <= 9
            pieces: dict[int, list[str]] = {}
            name = ""
            for chunk in client.chat.completions.create(stream=True, **asked):
                for delta in chunk.choices[0].delta.tool_calls or []:
                    assert delta.function is not None
                    pieces.setdefault(delta.index, []).append(delta.function.arguments or "")
                    name += delta.function.name or ""
                reason = chunk.choices[0].finish_reason or None
            assert json.loads("".join(pieces[0])) == given and name == call.function.name
            assert reason == "tool_calls"


def test_a_conversation_with_a_tools_answer_goes_on(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = dict(model="tiny", tools=[WEATHER], max_tokens=60, seed=1)
    first = client.chat.completions.create(messages=HELLO, tool_choice="required", **asked).choices[0].message
    assert first.tool_calls
    answer = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "sunny"}
    messages: Any = [*HELLO, first, answer]
    told = client.chat.completions.create(messages=messages, tool_choice="none", **asked).choices[0]
    assert told.message.tool_calls is None and told.finish_reason in ("stop", "length")


class Town(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    name: str = pydantic.Field(max_length=6)
    kind: str = pydantic.Field(pattern="^(port|mill)$")


def test_a_schema_is_held_and_parsed(client: openai.OpenAI) -> None:
    for seed in range(3):
        told = client.chat.completions.parse(
            model="tiny", messages=HELLO, response_format=Town, seed=seed, max_tokens=200
        )
        town = told.choices[0].message.parsed
        assert isinstance(town, Town) and town.kind in ("port", "mill")
        assert told.choices[0].finish_reason == "stop"


def test_json_object(client: openai.OpenAI) -> None:
    told = client.chat.completions.create(
        model="tiny", messages=HELLO, response_format={"type": "json_object"}, seed=3, max_tokens=300
    ).choices[0]
    if told.finish_reason == "stop":
        assert isinstance(json.loads(told.message.content or ""), dict)
    assert (told.message.content or "").startswith("{")


def test_embeddings_as_floats_and_packed(client: openai.OpenAI, here: Here) -> None:
    lm = here.hosting.models["tiny"].lm
    floats = client.embeddings.create(model="tiny", input=["hola", "hello"], encoding_format="float")
    packed = client.embeddings.create(model="tiny", input=["hola", "hello"])  # the client asks for base64
    for told in (floats, packed):
        found = np.array([each.embedding for each in told.data])
        np.testing.assert_allclose(found, lm.embed(["hola", "hello"]), atol=1e-5)
        assert told.usage.prompt_tokens > 0


def test_models_and_tokens(client: openai.OpenAI, here: Here) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").owned_by == "fragua"
    lm = here.hosting.models["tiny"].lm
    asked = client.with_options(base_url=here.url)
    told: Any = asked.post("/tokenize", cast_to=object, body={"model": "tiny", "prompt": "Íñigo 😀"})
    assert told["tokens"] == lm.tokenizer.encode("Íñigo 😀") and told["count"] == len(told["tokens"])
    back: Any = asked.post("/detokenize", cast_to=object, body={"tokens": told["tokens"]})
    assert back == {"prompt": "Íñigo 😀"}
    chat: Any = asked.post("/tokenize", cast_to=object, body={"messages": HELLO})
    assert chat["tokens"] == lm.chat_ids(HELLO)


def test_errors_are_the_clients_own(client: openai.OpenAI, here: Here) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-4", messages=HELLO)
    assert missing.value.code == "model_not_found" and missing.value.param == "model"
    assert missing.value.request_id
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "ñ" * 2000}])
    assert long.value.code == "context_length_exceeded" and long.value.param == "messages"
    with pytest.raises(openai.AuthenticationError) as stranger:
        client.with_options(api_key="another").models.list()
    assert stranger.value.code == "invalid_api_key"
