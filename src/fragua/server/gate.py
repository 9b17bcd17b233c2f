"""What every request passes before a route sees it: its id, its key, its size; and what is noted of it."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections import Counter
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fragua.server.api.errors import ApiError
from fragua.server.keys import Keys

LOG = logging.getLogger("fragua.server")
API = ("/v1/", "/tokenize", "/detokenize")
"""Paths that need a key and have a limited body."""
MOST_LOGGED = 1 << 16
"""Bytes of a content, where contents are logged."""


class Gate:
    """Outside of the whole app, so that its errors too have an id and are noted."""

    def __init__(self, app: ASGIApp, keys: Keys, max_body_bytes: int, log_contents: bool = False):
        self.app, self.keys, self.max_body_bytes, self.log_contents = app, keys, max_body_bytes, log_contents
        self.statuses: Counter[tuple[str, str, int]] = Counter()
        """Requests by method, path of the API (others as '') and status."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, started = Headers(scope=scope), time.monotonic()
        asked = headers.get("x-request-id", "")
        name = asked if re.fullmatch(r"[\w.:-]{1,128}", asked, re.ASCII) else f"req_{secrets.token_hex(12)}"
        status, said, body = 0, bytearray(), b""

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = name
            elif self.log_contents and len(said) < MOST_LOGGED:
                said.extend(message.get("body", b"")[: MOST_LOGGED - len(said)])
            await send(message)

        try:
            if _is_api(scope):
                self._check_key(scope, headers)
                if scope["method"] == "POST":
                    body = await self._body(headers, receive)
                    receive = _replayed(body, receive)
            await self.app(scope, receive, noted)
        except ApiError as error:
            await error.response()(scope, receive, noted)
        except _Gone:
            status = 499
        except Exception:
            LOG.exception("%s broke", name)
        path = scope["path"] if _is_api(scope) else ""
        self.statuses[scope["method"], path if status not in (404, 405) else "", status] += 1
        if path:
            took = time.monotonic() - started
            LOG.info("%s %s %s %d %.3fs", name, scope["method"], _plain(path), status, took)
        if path and self.log_contents:
            LOG.info("%s asked %r answered %r", name, body[:MOST_LOGGED], bytes(said))

    def _check_key(self, scope: Scope, headers: Headers) -> None:
        if scope["method"] == "OPTIONS":  # a browser asks whether it may ask
            return
        kind, _, key = headers.get("authorization", "").partition(" ")
        if not self.keys.allow(key.strip() if kind.lower() == "bearer" else ""):
            challenge = {"www-authenticate": "Bearer"}
            raise ApiError(401, "a valid API key is needed", code="invalid_api_key", headers=challenge)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """All of it. Raises ApiError as soon as it is too large."""
        told, body = headers.get("content-length", ""), bytearray()
        if told.isascii() and told.isdigit() and int(told) > self.max_body_bytes:
            raise self._too_large()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            body += message.get("body", b"")
            if len(body) > self.max_body_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self) -> ApiError:
        return ApiError(413, f"the body is over {self.max_body_bytes} bytes", code="body_too_large")


class _Gone(Exception):
    """The client left before it had said all."""


def _is_api(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith(API)


def _plain(text: str) -> str:
    """Without what could forge a line of the log."""
    return urlsplit(text).path.encode("unicode_escape").decode()


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
