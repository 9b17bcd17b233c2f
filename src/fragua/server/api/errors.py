"""Errors as OpenAI's clients read them; nothing of the inside is ever told."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fragua.errors import FraguaError, InputError
from fragua.inference.engine.engine import Busy

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

FIELDS = {
    "prompt": "prompt",
    "logit_bias": "logit_bias",
    "stop_ids": "stop_token_ids",
    "constraint": "response_format",
    "prompt_logprobs": "logprobs",
}
"""By which name a body has what the engine refuses."""


class ApiError(Exception):
    """An answer other than 2xx."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = headers

    @property
    def type(self) -> str:
        return TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")

    def body(self) -> dict[str, Any]:
        told = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": told}

    def response(self) -> Response:
        # ASCII: what is told may be the caller's own text, lone surrogates included
        return Response(json.dumps(self.body()), self.status, self.headers, "application/json")


def api_error(error: Exception, param: str | None = None) -> ApiError:
    """What is told of an error. `param`: the field it stands for, where the error names none itself."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Busy):
        return ApiError(429, str(error), code="queue_full", headers={"retry-after": "1"})
    if isinstance(error, InputError):
        message = error.message if error.mend is None else f"{error.message}; {error.mend}"
        named = param or FIELDS.get(error.place or "")
        return ApiError(400, message, param=named, code="invalid_value")
    if isinstance(error, FraguaError):
        return ApiError(503, "the model can't answer now", code="unavailable", headers={"retry-after": "5"})
    return ApiError(500, "the server broke on this request", code="internal_error")


def _invalid(error: RequestValidationError) -> ApiError:
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query")]
    if first["type"] == "json_invalid":
        return ApiError(400, f"the body is not JSON: {first['ctx']['error']}", code="invalid_json")
    param = ".".join(place) or None
    if first["type"] == "extra_forbidden":
        return ApiError(400, f"unknown field '{param}'", param=param, code="unknown_parameter")
    message = first["msg"].removeprefix("Value error, ")
    code = "missing_required_parameter" if first["type"] == "missing" else "invalid_value"
    return ApiError(400, f"{param or 'the body'}: {message}", param=param, code=code)


def add_handlers(app: FastAPI) -> None:
    """All that may be raised in a route becomes an error object."""

    def told(_: Request, error: Exception) -> Response:
        return api_error(error).response()

    def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError), "it is registered for these"
        return _invalid(error).response()

    def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException), "it is registered for these"
        code = {404: "unknown_url", 405: "method_not_allowed"}.get(error.status_code)
        headers = dict(error.headers or {})
        return ApiError(error.status_code, str(error.detail), code=code, headers=headers).response()

    for kind in (ApiError, FraguaError, Exception):
        app.add_exception_handler(kind, told)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
