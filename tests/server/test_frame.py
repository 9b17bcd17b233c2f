"""What every page promises: it speaks one's language, can be read light and dark, and stays on this machine."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from tests.server.conftest import Look, Served, serving

PROGRAM = """
import sys
from fastapi import FastAPI, Request, WebSocket
from nicegui import ui
from fragua.language import speaker
from fragua.server.loopback import serve_here
from fragua.server.page import add_pages, frame, page_lang

app = FastAPI()

@app.websocket("/echo")
async def echo(socket: WebSocket):
    await socket.accept()
    await socket.send_text("hello")

@ui.page("/words")
def words(request: Request):
    lang = page_lang(request)
    with frame(request, "<Words>", lang):
        told = ui.label(speaker(lang)("hola", "hello"))
        ui.html('<textarea aria-label="text"></textarea>', sanitize=False)
        ui.element("button").props('aria-keyshortcuts="x"').on("click", lambda: told.set_text("pressed"))
add_pages(app)
serve_here(app, 0, lambda url: print(url, file=sys.stderr))
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving("-c", PROGRAM) as here:
        yield here


def test_the_browsers_language_is_spoken_and_can_be_changed(served: Served, look: Look) -> None:
    page = look(f"{served.url}/words?who=me", lang="es")
    assert page.locator("#content").inner_text().strip() == "hola"
    assert page.evaluate("document.documentElement.lang") == "es"
    assert page.locator("h1").inner_text() == "<Words>"
    page.get_by_role("link", name="English").click()
    page.get_by_text("hello").wait_for()
    assert "who=me" in page.url, "the choice keeps the rest of the address"
    assert page.evaluate("document.documentElement.lang") == "en"


def test_dark_is_dark_and_the_switch_turns_it_and_is_remembered(served: Served, look: Look) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page = look(f"{served.url}/words", theme="dark")
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Light or dark").click()
    light = page.evaluate(ground)
    assert (dark, light) == ("rgb(21, 17, 14)", "rgb(251, 248, 243)")
    page.reload()
    page.wait_for_selector("#content")
    assert page.evaluate(ground) == light


def test_a_key_presses_its_button_but_not_while_one_writes(served: Served, look: Look) -> None:
    page = look(f"{served.url}/words")
    page.get_by_role("textbox").focus()
    page.keyboard.type("x")
    assert page.get_by_role("textbox").input_value() == "x"
    assert page.get_by_text("hello").is_visible()
    page.get_by_role("textbox").blur()
    page.keyboard.press("x")
    page.get_by_text("pressed").wait_for()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
    ],
)
@pytest.mark.parametrize("upgrade", [False, True])
def test_a_strange_page_gets_nothing(
    served: Served, headers: dict[str, str], status: int, upgrade: bool
) -> None:
    more = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    there = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=30)
    there.request("GET", "/echo" if upgrade else "/words", headers=headers | (more if upgrade else {}))
    answer = there.getresponse().status
    there.close()
    assert answer == (101 if upgrade and status == 200 else status), json.dumps(headers)


def test_ctrl_c_ends_it(served: Served) -> None:
    with serving("-c", PROGRAM) as another:
        code, printed = another.stop()
    assert printed == "" and code in (-2, 130, 1)
