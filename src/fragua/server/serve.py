"""A server until it is told to stop: then what is being answered may end, for a while."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import uvicorn
from pydantic import Field

from fragua.errors import InputError
from fragua.server.app import make_app
from fragua.server.gate import LOG, Gate
from fragua.server.hosted import Hosting
from fragua.server.keys import Keys
from fragua.server.loopback import NAMES, LoopbackOnly
from fragua.settings import Settings


class ServerSettings(Settings):
    """How it is reached."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    origins: tuple[str, ...] = ()
    max_body_mib: int = Field(default=8, ge=1)
    drain_s: int = Field(default=30, ge=0, description="after SIGTERM, answers may go on for so long")
    log_contents: bool = False
    chats: Path | None = None
    feedback: Path | None = None


class Server(uvicorn.Server):
    """Tells when it answers; is no longer ready from the signal on."""

    def __init__(self, config: uvicorn.Config, hosting: Hosting, opened: Callable[[], None]):
        super().__init__(config)
        self.hosting, self.opened = hosting, opened

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.opened()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.hosting.state = "draining"
        await super().shutdown(sockets)


def serve(hosting: Hosting, keys: Keys, settings: ServerSettings, opened: Callable[[str], None]) -> None:
    """Serves until SIGTERM or Ctrl-C; `opened` is given the address once it answers.

    Raises InputError for an address that can't be listened on."""
    app = make_app(hosting, settings.origins, settings.chats, settings.feedback)
    here = settings.host in NAMES
    app.add_middleware(LoopbackOnly, names=NAMES if here else None, origins=settings.origins)
    gate = Gate(app, keys, settings.max_body_mib << 20, settings.log_contents)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s")
    LOG.setLevel(logging.INFO)
    with closing(_listening(settings)) as listening:
        port = listening.getsockname()[1]
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        config = uvicorn.Config(
            gate,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.drain_s,
        )
        server = Server(config, hosting, lambda: opened(f"http://{shown}:{port}"))
        # uvicorn raises the signal again once it has stopped: that must not end the process as if it had failed
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        server.run([listening])


def _listening(settings: ServerSettings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), family=_family(settings.host))
    except (OSError, OverflowError) as error:
        place = f"{settings.host}:{settings.port}"
        raise InputError(f"can't listen there ({error})", place, "choose another --host or --port") from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
