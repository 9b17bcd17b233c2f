"""The models, texts to tokens and back, and how the server is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from fragua.errors import InputError
from fragua.server.api.answering import as_json, hosting, model_of
from fragua.server.api.bodies import DetokenizeBody, TokenizeBody
from fragua.server.api.errors import ApiError, api_error
from fragua.server.hosted import Hosted

router = APIRouter()


@router.get("/v1/models")
async def models(request: Request) -> Response:
    """All that are served."""
    return as_json({"object": "list", "data": [model.listed() for model in hosting(request).models.values()]})


@router.get("/v1/models/{name:path}")
async def one_model(request: Request, name: str) -> Response:
    """One of them."""
    return as_json(model_of(request, name).listed())


@router.post("/tokenize")
async def tokenize(request: Request, body: TokenizeBody) -> Response:
    """The ids of a prompt, or of messages as the chat template has them."""
    model = model_of(request, body.model)
    try:
        ids = await run_in_threadpool(_ids, model, body)
    except InputError as error:
        raise api_error(error, "prompt" if body.messages is None else "messages") from error
    tokenizer = model.lm.tokenizer
    strings = [tokenizer.token(token) for token in ids] if body.return_token_strs else None
    told = {"count": len(ids), "max_model_len": model.lm.context, "tokens": ids, "token_strs": strings}
    return as_json(told)


def _ids(model: Hosted, body: TokenizeBody) -> list[int]:
    tokenizer = model.lm.tokenizer
    if body.messages is not None:
        tools = [tool.described() for tool in body.tools or []] or None
        messages: list[dict[str, Any]] = [message.plain() for message in body.messages]
        return tokenizer.encode_chat(messages, tools, body.add_generation_prompt).ids
    prompt = body.prompt or ""
    ids = tokenizer.encode(prompt)
    start = tokenizer.start_id if body.add_special_tokens else None
    return ids if start is None else [start, *ids]


@router.post("/detokenize")
async def detokenize(request: Request, body: DetokenizeBody) -> Response:
    """The text of ids, special tokens as they are written."""
    model = model_of(request, body.model)
    try:
        text = await run_in_threadpool(model.lm.tokenizer.decode, body.tokens, False)
    except InputError as error:
        raise api_error(error, "tokens") from error
    return as_json({"prompt": text})


@router.get("/health")
async def health(request: Request) -> Response:
    """200 while the engines live."""
    broken = [model.name for model in hosting(request).models.values() if not model.engine.alive]
    if broken:
        raise ApiError(503, f"the engine of {', '.join(broken)} has stopped", code="unavailable")
    return as_json({"status": "ok"})


@router.get("/ready")
async def ready(request: Request) -> Response:
    """200 while new requests are taken."""
    state = hosting(request).state
    if state != "ready":
        raise ApiError(503, f"the server is {state}", code="unavailable")
    return as_json({"status": "ready"})
