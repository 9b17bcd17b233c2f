"""`/v1/chat/completions`."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from fragua.errors import InputError
from fragua.inference.tools import CALCULATOR
from fragua.inference.turns import Turn
from fragua.server.api.answering import (
    as_json,
    check_length,
    content_logprobs,
    dumps,
    event_stream,
    head,
    model_of,
    usage,
    while_heard,
)
from fragua.server.api.bodies import ChatBody
from fragua.server.api.errors import api_error
from fragua.server.api.grammar import constraint_of
from fragua.server.hosted import Hosted

router = APIRouter()


@router.post("/v1/chat/completions")
async def chat(request: Request, body: ChatBody) -> Response:
    """The assistant's next message."""
    model = model_of(request, body.model)
    turn = await begin(model, body)
    if body.stream:
        return event_stream(request, _chunks(model, body, turn), turn.abort)
    async with while_heard(request, turn.abort):
        return as_json(await _whole(model, body, turn))


async def begin(model: Hosted, body: ChatBody) -> Turn:
    """The turn, in the engine's queue. Raises ApiError for what does not fit together."""
    limit = body.max_completion_tokens or body.max_tokens or model.lm.context
    constraint = constraint_of(body, model.lm.tokenizer)
    top = (body.top_logprobs or 0) if body.logprobs else None
    sampling = body.sampling(limit, logprobs=top, constraint=constraint)
    offered = [tool.described() for tool in body.tools or []]
    turn = Turn(
        model.engine,
        [message.plain() for message in body.messages],
        sampling,
        body.n or 1,
        offered,
        run=() if body.tools is not None or constraint is not None else (CALCULATOR,),
        calls=body.tool_choice != "none",
    )
    try:
        prompt = await run_in_threadpool(turn.prompt)
    except InputError as error:
        raise api_error(error, "messages") from error
    check_length(model, prompt, sampling, "messages")
    try:
        turn.begin(prompt)
    except InputError as error:
        raise api_error(error, "messages" if error.place == "prompt" else None) from error
    return turn


async def _whole(model: Hosted, body: ChatBody, turn: Turn) -> dict[str, Any]:
    texts, reasons = [""] * turn.n, ["stop"] * turn.n
    calls: list[list[dict[str, Any]]] = [[] for _ in range(turn.n)]
    logprobs: list[list[Any]] = [[] for _ in range(turn.n)]
    async for answer, text, tokens, call, _, reason in turn:
        texts[answer] += text
        logprobs[answer] += content_logprobs(model.lm.tokenizer, tokens)["content"]
        if call is not None and turn.offered:
            calls[answer].append(told_call(call))
        reasons[answer] = reason or reasons[answer]
    choices = []
    for answer in range(turn.n):
        message: dict[str, Any] = {"role": "assistant", "content": texts[answer], "refusal": None}
        if calls[answer]:
            message |= {"content": texts[answer] or None, "tool_calls": calls[answer]}
        told = {"content": logprobs[answer], "refusal": None} if body.logprobs else None
        choices.append(
            {"index": answer, "message": message, "logprobs": told, "finish_reason": reasons[answer]}
        )
    spent = usage(turn.prompt_tokens, turn.completion_tokens, turn.cached_tokens)
    return head("chat.completion", "chatcmpl", model) | {"choices": choices, "usage": spent}


async def _chunks(model: Hosted, body: ChatBody, turn: Turn) -> AsyncIterator[dict[str, Any]]:
    same = head("chat.completion.chunk", "chatcmpl", model)
    called = [0] * turn.n

    def chunk(answer: int, delta: dict[str, Any], logprobs: Any = None, reason: Any = None) -> dict[str, Any]:
        choice = {"index": answer, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return same | {"choices": [choice]} | ({"usage": None} if body.include_usage else {})

    for answer in range(turn.n):
        yield chunk(answer, {"role": "assistant", "content": "", "refusal": None})
    async for answer, text, tokens, call, _, reason in turn:
        if text or (tokens and body.logprobs):
            told = content_logprobs(model.lm.tokenizer, tokens) if body.logprobs else None
            yield chunk(answer, {"content": text}, told)
        if call is not None and turn.offered:
            whole = {"index": called[answer], **told_call(call)}
            arguments = whole["function"]["arguments"]
            named = whole | {"function": whole["function"] | {"arguments": ""}}
            yield chunk(answer, {"tool_calls": [named]})
            yield chunk(
                answer, {"tool_calls": [{"index": called[answer], "function": {"arguments": arguments}}]}
            )
            called[answer] += 1
        if reason is not None:
            yield chunk(answer, {}, None, reason)
    if body.include_usage:
        spent = usage(turn.prompt_tokens, turn.completion_tokens, turn.cached_tokens)
        yield same | {"choices": [], "usage": spent}


def told_call(call: dict[str, Any]) -> dict[str, Any]:
    """As clients read it: with an id, its arguments as JSON."""
    function = call["function"]
    arguments = dumps(function["arguments"]).decode()
    return {
        "id": f"call_{secrets.token_hex(12)}",
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }
