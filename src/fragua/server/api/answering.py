"""What all routes share: the model that is meant, the stream as events, and giving up when the client has gone."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from starlette.responses import Response, StreamingResponse

import fragua
from fragua.inference.engine import Sampling, TokenLogprob
from fragua.inference.releasing import Written
from fragua.server.api.errors import ApiError, api_error
from fragua.server.hosted import Hosted, Hosting
from fragua.tokens.tokenizer import Tokenizer

FINGERPRINT = f"fragua-{fragua.__version__}"


def hosting(request: Request) -> Hosting:
    found: Hosting = request.app.state.hosting
    return found


def model_of(request: Request, name: str | None) -> Hosted:
    """Raises ApiError for a model that is not served, or while the server is about to stop."""
    served = hosting(request)
    if served.state != "ready":
        raise ApiError(503, "the server is stopping", code="unavailable", headers={"retry-after": "5"})
    model = served.find(name)
    if model is None:
        known = ", ".join(served.models)
        message = f"there is no model '{name}'; there is: {known}"
        raise ApiError(404, message, param="model", code="model_not_found")
    return model


def check_length(model: Hosted, prompt: list[int], sampling: Sampling, param: str) -> None:
    """Raises ApiError where the prompt leaves no room."""
    limit = model.lm.context + (sampling.max_tokens == 0)
    if len(prompt) >= limit:
        message = (
            f"{len(prompt)} tokens do not fit: the context holds {model.lm.context}, the answer included"
        )
        raise ApiError(400, message, param=param, code="context_length_exceeded")


def head(kind: str, prefix: str, model: Hosted) -> dict[str, Any]:
    """How every answer begins."""
    return {
        "id": f"{prefix}-{secrets.token_hex(12)}",
        "object": kind,
        "created": int(time.time()),
        "model": model.name,
        "system_fingerprint": FINGERPRINT,
    }


def usage(prompt: int, completion: int, cached: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def as_json(value: Any) -> Response:
    return Response(dumps(value), media_type="application/json")


def dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@asynccontextmanager
async def while_heard(request: Request, give_up: Callable[[], None]) -> AsyncIterator[None]:
    """Calls `give_up` as soon as the client has gone, and in any case in the end."""

    async def listen() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        give_up()

    listening = asyncio.create_task(listen())
    try:
        yield
    finally:
        listening.cancel()
        give_up()


def event_stream(request: Request, objects: AsyncIterator[Any], give_up: Callable[[], None]) -> Response:
    """Server-sent events, one a JSON object, and `[DONE]`. An error on the way is the last event before it."""

    async def events() -> AsyncIterator[bytes]:
        async with while_heard(request, give_up):
            try:
                async for value in objects:
                    yield b"data: " + dumps(value) + b"\n\n"
            except Exception as error:  # the status has been sent: what is left is to tell
                yield b"data: " + dumps(api_error(error).body()) + b"\n\n"
            yield b"data: [DONE]\n\n"

    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(events(), headers=headers, media_type="text/event-stream")


def shown_token(tokenizer: Tokenizer, token: int) -> str:
    """A token's text; bytes that are no whole characters as OpenAI writes them, `bytes:\\xc3`."""
    data = tokenizer.text_bytes(token, skip_special=False)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


def token_logprob(tokenizer: Tokenizer, written: TokenLogprob) -> dict[str, Any]:
    """A token of `logprobs.content`."""

    def told(token: int, logprob: float) -> dict[str, Any]:
        data = tokenizer.text_bytes(token, skip_special=False)
        return {"token": shown_token(tokenizer, token), "logprob": logprob, "bytes": list(data)}

    top = [told(token, logprob) for token, logprob in written.top]
    return told(written.token, written.logprob) | {"top_logprobs": top}


def content_logprobs(tokenizer: Tokenizer, tokens: tuple[Written, ...]) -> dict[str, Any]:
    return {"content": [token_logprob(tokenizer, written.logprob) for written in tokens], "refusal": None}
