"""`/v1/embeddings`."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from fragua.errors import InputError
from fragua.server.api.answering import as_json, model_of
from fragua.server.api.bodies import EmbeddingBody
from fragua.server.api.errors import ApiError, api_error
from fragua.server.hosted import Hosted

router = APIRouter()
MOST_INPUTS = 2048


@router.post("/v1/embeddings")
async def embeddings(request: Request, body: EmbeddingBody) -> Response:
    """A vector for each text, as floats or as base64 of little-endian float32."""
    model = model_of(request, body.model)
    try:
        texts = await run_in_threadpool(_texts, model, body.input)
        tokens = await run_in_threadpool(_count, model, texts)
        vectors = await asyncio.wrap_future(model.engine.submit_embedding(texts))
    except InputError as error:
        raise api_error(error, "input") from error
    packed = body.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector.tolist()}
        for index, vector in enumerate(vectors)
    ]
    spent = {"prompt_tokens": tokens, "total_tokens": tokens}
    return as_json({"object": "list", "data": data, "model": model.name, "usage": spent})


def _texts(model: Hosted, given: str | list[Any]) -> list[str]:
    several = [given] if isinstance(given, str) or (given and isinstance(given[0], int)) else given
    if not 1 <= len(several) <= MOST_INPUTS:
        raise ApiError(
            400, f"{len(several)} inputs, 1 to {MOST_INPUTS} may be sent", param="input", code="invalid_value"
        )
    if any(not each for each in several):
        raise ApiError(400, "an input is empty", param="input", code="invalid_value")
    return [each if isinstance(each, str) else model.lm.tokenizer.decode(each) for each in several]


def _count(model: Hosted, texts: list[str]) -> int:
    """Their tokens. Raises ApiError for a text that does not fit: it is not cut in silence."""
    tokenizer = model.lm.tokenizer
    counts = [len(tokenizer.framed(text).ids) for text in texts]
    if max(counts) > model.lm.context:
        message = f"{max(counts)} tokens do not fit: the context holds {model.lm.context}"
        raise ApiError(400, message, param="input", code="context_length_exceeded")
    return sum(counts)


def _packed(vector: np.ndarray) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
