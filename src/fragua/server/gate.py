"""What every request passes before a route sees it: its id, its key, its size; and what is noted of it."""

from __future__ import annotations

import logging
import re
import secrets
import time
from base64 import b64decode
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fragua.server.api.errors import ApiError
from fragua.server.keys import Keys

LOG = logging.getLogger("fragua.server")
API = ("/v1/", "/tokenize", "/detokenize")
"""Paths of the interface, whose bodies are limited."""
OPEN = ("/health", "/ready", "/metrics", "/openapi.json")
"""Paths that need no key."""
MOST_LOGGED = 1 << 16
"""Bytes of a content, where contents are logged."""


class Gate:
    """Outside of the whole app, so that its errors too have an id and are noted."""

    def __init__(self, app: ASGIApp, keys: Keys, max_body_bytes: int, log_contents: bool = False):
        self.app, self.keys, self.max_body_bytes, self.log_contents = app, keys, max_body_bytes, log_contents

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
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
            self._check_key(scope, headers)
            if _is_api(scope) and scope["method"] == "POST":
                body = await self._body(headers, receive)
                receive = _replayed(body, receive)
            await self.app(scope, receive, noted)
        except ApiError as error:
            await error.response()(scope, receive, noted)
        except _Gone:
            status = 499
        except Exception:
            LOG.exception("%s broke", name)
        if _is_api(scope):
            took = time.monotonic() - started
            LOG.info("%s %s %s %d %.3fs", name, scope["method"], _plain(scope["path"]), status, took)
            if self.log_contents:
                LOG.info("%s asked %r answered %r", name, body[:MOST_LOGGED], bytes(said))

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.keys.allow(_key(Headers(scope=scope))):
            await self.app(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    def _check_key(self, scope: Scope, headers: Headers) -> None:
        """Programs send a key as bearer; for a page the browser asks for it, as the password of any name."""
        if scope["path"] in OPEN or scope["method"] == "OPTIONS" or self.keys.allow(_key(headers)):
            return
        challenge = {"www-authenticate": "Bearer" if _is_api(scope) else 'Basic realm="Fragua"'}
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


def _key(headers: Headers) -> str:
    kind, _, rest = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    try:
        return b64decode(rest, validate=True).decode().partition(":")[2] if kind.lower() == "basic" else ""
    except ValueError:
        return ""


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
