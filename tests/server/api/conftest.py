"""One served model for all tests of the interface, and OpenAI's own client."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.tiny_model import write_tiny

if TYPE_CHECKING:
    import openai

    from fragua.inference.engine import Engine
    from fragua.server.hosted import Hosting

KEY = "a-key-for-tests"
BODY_BYTES = 1 << 20


class Here(NamedTuple):
    """A server in a thread of this process, so that its engine can be looked into."""

    url: str
    hosting: Hosting

    @property
    def engine(self) -> Engine:
        return self.hosting.models["tiny"].engine

    def wait_idle(self, seconds: float = 20) -> None:
        """Until nothing is queued, running or held."""
        until = time.monotonic() + seconds
        while (told := self.engine.metrics) and (told.running or told.waiting or told.pages_held):
            assert time.monotonic() < until, told
            time.sleep(0.01)


@contextmanager
def served_here(folder: Path, **settings: int | bool) -> Iterator[Here]:
    import uvicorn

    from fragua.server.app import make_app
    from fragua.server.gate import Gate
    from fragua.server.hosted import EngineSettings, load_models
    from fragua.server.keys import Keys, digest

    hosting = load_models([f"tiny={folder}"], EngineSettings.parse(settings))
    gate = Gate(make_app(hosting), Keys([digest(KEY)]), BODY_BYTES)
    server = uvicorn.Server(uvicorn.Config(gate, port=0, log_config=None, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Here(f"http://127.0.0.1:{port}", hosting)
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def tiny_long_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As tiny_dir, with a context of 1024."""
    return write_tiny(tmp_path_factory.mktemp("long"), context=1024)


@pytest.fixture(scope="session")
def here(tiny_long_dir: Path) -> Iterator[Here]:
    with served_here(tiny_long_dir, deterministic=True) as server:
        yield server


@pytest.fixture(scope="session")
def client(here: Here) -> Iterator[openai.OpenAI]:
    import openai

    with openai.OpenAI(base_url=f"{here.url}/v1", api_key=KEY, max_retries=0, timeout=60) as client:
        yield client
