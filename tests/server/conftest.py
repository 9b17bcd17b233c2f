"""A real browser, and commands that serve pages, each in its own process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.signals import hears_ctrl_c

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FRAGUA = ("-m", "fragua.cli.main")
WAIT_S = 180
"""A busy machine is slow, not wrong."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium. A module's, not the session's: its event loop would be in the way of others."""
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=flags)
        yield running
        running.close()


Look = Callable[..., "Page"]


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """look(url, lang="es", theme="dark", width=390) opens a page as a new visitor with these settings.

    Fails at the end where a page asked anything of another address or its scripts broke."""
    wrong: list[str] = []
    with ExitStack() as visitors:

        def open_page(url: str, lang: str = "en", theme: str = "light", width: int = 1200) -> Page:
            context = browser.new_context(
                locale={"es": "es-ES", "en": "en-GB"}[lang],
                color_scheme="dark" if theme == "dark" else "light",
                viewport={"width": width, "height": 844},
                reduced_motion="reduce",
            )
            context.set_default_timeout(WAIT_S * 1000)
            visitors.callback(context.close)
            page = context.new_page()
            origin = "/".join(url.split("/")[:3])
            page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
            page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
            context.on(
                "request",
                lambda request: (
                    None if request.url.startswith((origin, "data:", "blob:")) else wrong.append(request.url)
                ),
            )
            page.goto(url)
            page.wait_for_selector("#content")
            page.wait_for_function("window.did_handshake")  # until then events may overtake each other
            return page

        yield open_page
    assert wrong == []


class Served(NamedTuple):
    """A running command: where it answers, and what ends it as Ctrl-C does (exit code, standard output)."""

    url: str
    stop: Callable[[], tuple[int, str]]


@contextmanager
def serving(*arguments: str | Path) -> Iterator[Served]:
    """Runs `python …` and goes on once the address stands on its standard error."""
    command = [sys.executable, *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=hears_ctrl_c,
    )
    assert process.stdout is not None and process.stderr is not None
    said: list[str] = []
    url = None
    watchdog = threading.Timer(WAIT_S, process.kill)
    watchdog.start()
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+\S*", line):
            url = found[0]
            break
    watchdog.cancel()
    assert url is not None, "".join(said)
    drain = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
    drain.start()

    def stop() -> tuple[int, str]:
        process.send_signal(signal.SIGINT)
        printed = process.stdout.read() if process.stdout else ""
        return process.wait(WAIT_S), printed

    try:
        yield Served(url, stop)
    finally:
        process.kill()
        process.wait()
        drain.join(5)
        process.stdout.close()
        process.stderr.close()
