"""An app on this machine alone: no other machine reaches it, and no strange web page may speak with it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fragua.errors import InputError

HOST = "127.0.0.1"
NAMES = frozenset({HOST, "localhost", "::1"})


class LoopbackOnly:
    """Refuses, with 403, what a page of another origin asks, and names that were bent to this address.

    A browser sends what any page tells it to send, to 127.0.0.1 too: by a form, by a WebSocket, or by a name
    whose address is changed to 127.0.0.1 after the page was read (DNS rebinding). `Origin` and `Host` betray it."""

    def __init__(self, app: ASGIApp, names: frozenset[str] | None = NAMES, origins: Sequence[str] = ()):
        """`names`: the hosts that may be meant, None for any; `origins`: other pages that may ask."""
        self.app, self.names, self.origins = app, names, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._ours(Headers(scope=scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            refusal = PlainTextResponse("this address answers only pages of its own", 403)
            await refusal(scope, receive, send)

    def _ours(self, headers: Headers) -> bool:
        host, origin = headers.get("host", ""), headers.get("origin")
        known = self.names is None or urlsplit(f"//{host}").hostname in self.names
        return known and origin in (None, f"http://{host}", f"https://{host}", *self.origins)


def serve_here(app: FastAPI, port: int, opened: Callable[[str], None]) -> None:
    """Serves on 127.0.0.1 until Ctrl-C; `opened` is given the address once it answers. Port 0: any free one.

    Raises InputError for a port that is taken or not allowed."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                opened(f"http://{HOST}:{listening.getsockname()[1]}")

    app.add_middleware(LoopbackOnly)
    with closing(socket.socket()) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise InputError(f"can't listen on port {port} ({error})", "--port", "choose another") from error
        Server(uvicorn.Config(app, log_level="warning")).run([listening])
