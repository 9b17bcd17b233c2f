"""The chat page in a real browser."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fragua.alignment.feedback.events import Correction, Thumbs
from fragua.alignment.feedback.log import EventLog
from tests.server.conftest import FRAGUA, Look, Served, serving
from tests.tiny_model import write_tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chatting")


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    return write_tiny(folder / "tiny", context=8192)


@pytest.fixture(scope="module")
def served(folder: Path, model: Path) -> Iterator[Served]:
    with serving(
        *FRAGUA,
        "serve",
        model,
        "--port",
        0,
        "--chats",
        folder / "chats.sqlite",
        "--feedback",
        folder / "said.jsonl",
    ) as here:
        yield Served(here.url.removesuffix("/v1"), here.stop)


def say(page: object, text: str, tokens: int = 12) -> None:
    from playwright.sync_api import Page

    assert isinstance(page, Page)
    page.get_by_label(re.compile("Tokens at most|Tokens como mucho")).fill(str(tokens))
    page.get_by_label(re.compile("Tokens at most|Tokens como mucho")).blur()
    page.locator(".ask textarea").fill(text)
    page.keyboard.press("Enter")


def test_a_conversation_is_held_kept_and_found_again(served: Served, look: Look) -> None:
    page = look(served.url)
    say(page, "Once upon a time")
    page.get_by_role("button", name="Regenerate").wait_for()
    first = page.locator(".turn.assistant .said").inner_text()
    assert first and page.locator(".turn.user .said").inner_text() == "Once upon a time"
    page.reload()
    page.get_by_role("button", name="Regenerate").wait_for()
    assert page.locator(".turn.assistant .said").inner_text() == first
    assert page.get_by_role("navigation", name="Conversations").get_by_text("Once upon a time").is_visible()
    page.get_by_role("button", name="Edit").click()
    page.locator(".turn.user").wait_for(state="detached")
    assert page.locator(".ask textarea").input_value() == "Once upon a time"


OVERTAKEN = """() => {
  const field = document.querySelector(".ask textarea");
  window.did_handshake = false;  // as while the page is still connecting: an event waits some milliseconds
  field.value = "sent at once";
  field.dispatchEvent(new Event("input", { bubbles: true }));
  window.did_handshake = true;
  document.querySelector(".ask .send").click();
}"""


def test_what_is_sent_while_the_page_connects_is_not_lost(served: Served, look: Look) -> None:
    page = look(served.url)
    page.evaluate(OVERTAKEN)
    page.locator(".turn.user").get_by_text("sent at once").wait_for(timeout=20_000)


def test_probabilities_are_told_on_hover(served: Served, look: Look) -> None:
    page = look(served.url)
    say(page, "Hello")
    page.get_by_role("button", name="Regenerate").wait_for()
    page.get_by_role("button", name="Probabilities").click()
    token = page.locator(".token").nth(2)
    token.hover()
    tip = token.locator(".tip")
    assert tip.is_visible()
    shares = [int(share) for share in re.findall(r"(\d+)%", tip.inner_text())]
    assert len(shares) == 5 and shares == sorted(shares, reverse=True) and sum(shares) <= 102


def test_an_answer_can_be_stopped(served: Served, look: Look) -> None:
    page = look(served.url)
    page.get_by_label("Temperature").fill("0")  # greedily this model goes on; drawn, it may stop at once
    say(page, "Go on", tokens=8000)
    page.locator(".turn.assistant.busy").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Regenerate").wait_for()
    assert page.locator(".turn.assistant.busy").count() == 0


def test_what_people_say_of_answers_is_logged(served: Served, look: Look, folder: Path) -> None:
    page = look(served.url)
    say(page, "Once more")
    page.get_by_role("button", name="Good answer").click()
    page.locator("[aria-label='Good answer'][aria-pressed=true]").wait_for()
    answer = page.locator(".turn.assistant .said").inner_text()
    page.get_by_role("button", name="Correct", exact=True).click()
    page.get_by_label("The answer, better").fill("The forge sings.")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The forge sings.").wait_for()
    page.get_by_role("button", name="Regenerate").click()
    page.get_by_text("The forge sings.").wait_for(state="detached")
    page.get_by_role("button", name="Good answer").wait_for()
    events = EventLog(folder / "said.jsonl").events
    assert [event.kind for event in events] == ["thumbs", "correction", "thumbs"]
    thumb, correction, again = events
    assert isinstance(thumb, Thumbs) and thumb.good and thumb.prompt[-1]["content"] == "Once more"
    assert " ".join(thumb.candidates[0].text.split()) == " ".join(answer.split())
    assert isinstance(correction, Correction) and correction.corrected == "The forge sings."
    assert isinstance(again, Thumbs) and not again.good and again.text == "regenerated"
    assert thumb.candidates[0].model and thumb.candidates[0].sampling


def test_two_visitors_see_only_their_own(served: Served, look: Look) -> None:
    one, two = look(served.url, lang="es"), look(served.url)
    say(one, "un secreto")
    say(two, "hello there")
    one.get_by_role("button", name="Otra respuesta").wait_for()
    two.get_by_role("button", name="Regenerate").wait_for()
    two.goto(one.url)
    two.wait_for_selector("#content")
    assert "secreto" not in two.content() and "hello there" in two.content()
    assert "un secreto" in one.content()


HOSTILE = (
    "<img src=x onerror=\"document.title='broken'\"> <script>document.title='broken'</script> "
    "[click](javascript:document.title='broken') ![](http://evil.example/x.png) **bold**"
)


def test_what_a_model_writes_does_nothing(served: Served, look: Look, folder: Path) -> None:
    page = look(served.url)
    say(page, HOSTILE)
    page.get_by_role("button", name="Regenerate").wait_for()
    with sqlite3.connect(folder / "chats.sqlite") as database:  # as if the model had said it
        (messages,) = database.execute(
            "SELECT messages FROM conversation ORDER BY changed DESC LIMIT 1"
        ).fetchone()
        import json

        held = json.loads(messages)
        held[-1] |= {"content": HOSTILE, "shown": {"calls": [[HOSTILE] * 3], "tokens": []}}
        database.execute(
            "UPDATE conversation SET messages = ? WHERE messages = ?", (json.dumps(held), messages)
        )
    page.reload()
    page.locator(".turn.assistant strong").wait_for()
    said = page.locator(".turns")
    assert said.locator("img, script, a[href^=javascript]").count() == 0
    assert "broken" not in page.title()


def test_the_page_can_be_used_on_a_phone_and_by_name(served: Served, look: Look) -> None:
    page = look(served.url, lang="es", theme="dark", width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for role, name in (("textbox", "Tu mensaje"), ("button", "Enviar"), ("complementary", "El modelo")):
        assert page.get_by_role(role, name=name).first.is_visible()  # type: ignore[arg-type]


def test_sigterm_lets_an_answer_end_and_leaves_with_0(model: Path) -> None:
    import threading

    import openai

    command = [sys.executable, *FRAGUA, "serve", str(model), "--port", "0", "--no-pages", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    import json

    url = json.loads(process.stdout.readline())["url"]
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=60)
    said: list[str] = []
    whole = {"ignore_eos": True}  # drawn, this model may end at once
    stream = client.completions.create(model="tiny", prompt="a", max_tokens=60, stream=True, extra_body=whole)
    said.append(next(stream).choices[0].text)
    process.send_signal(signal.SIGTERM)
    reading = threading.Thread(target=lambda: said.extend(chunk.choices[0].text for chunk in stream))
    reading.start()
    assert process.wait(40) == 0
    reading.join(5)
    process.stdout.close()
    assert len(said) > 20, "what had begun went on to its end"
