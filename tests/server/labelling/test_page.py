"""The labelling page in a real browser: what an annotator sees, types and finds in the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fragua.alignment.feedback.events import Verdict, standing
from fragua.alignment.feedback.log import EventLog
from tests.server.conftest import Look, Served, serving
from tests.server.labelling.board import ANSWERS, QUESTIONS, SECRET

if TYPE_CHECKING:
    from playwright.sync_api import Page


@contextmanager
def board(log: Path, ask: str) -> Iterator[Served]:
    with serving("-m", "tests.server.labelling.board", log, ask) as served:
        yield served


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("best") / "events.jsonl"


@pytest.fixture(scope="module")
def best(log: Path) -> Iterator[Served]:
    with board(log, "best") as served:
        yield served


def written(log: Path, annotator: str) -> list[Verdict]:
    return [event for event in standing(EventLog(log).events) if event.annotator == annotator]


def after(page: Page, told: str) -> None:
    page.get_by_role("status").get_by_text(told).wait_for()


def test_a_whole_sitting_by_keys_alone(best: Served, log: Path, look: Look) -> None:
    """Name, verdict, a correction and a critique, undo, skip, the end: no mouse."""
    page = look(best.url, lang="es")
    page.get_by_label("Tu nombre").press_sequentially("eva")
    page.keyboard.press("Enter")
    after(page, "0 hechas, quedan 3")
    shown = page.locator("article .text").all_inner_texts()
    assert sorted(shown) == sorted(ANSWERS[:2])
    assert SECRET not in page.content(), "blind: nothing tells the model"
    page.keyboard.press("1")
    after(page, "1 hechas, quedan 2")
    (event,) = written(log, "eva")
    assert event.kind == "comparison" and event.seconds > 0
    (picked,) = event.ranking
    assert event.candidates[picked].text == shown[0] and event.order[0] == picked
    assert event.prompt[0]["content"] == QUESTIONS[0]

    page.keyboard.press("u")
    after(page, "0 hechas, quedan 3")
    assert written(log, "eva") == []
    assert page.locator("article .text").all_inner_texts() == shown, "the same order again"

    page.keyboard.press("b")
    page.get_by_label("Corregida").fill("Son 444, sí.")
    page.get_by_label("Qué tiene").fill("Muy seca")
    page.keyboard.press("Escape")
    page.locator("#answer1").press("0")
    after(page, "1 hechas, quedan 2")
    tie, corrected, critique = written(log, "eva")
    assert tie.kind == "comparison" and tie.verdict == "tie"
    assert corrected.kind == "correction" and corrected.corrected == "Son 444, sí."
    assert corrected.candidates[corrected.candidate].text == shown[1]
    assert critique.kind == "critique" and critique.text == "Muy seca"
    assert critique.candidate == corrected.candidate

    page.keyboard.press("s")
    after(page, "2 hechas, quedan 1")
    page.keyboard.press("x")
    after(page, "3 hechas, quedan 0")
    page.get_by_role("heading", name="No queda nada por juzgar").wait_for()
    assert [event.kind for event in written(log, "eva")][-2:] == ["skip", "comparison"]
    page.reload()
    page.get_by_role("heading", name="No queda nada por juzgar").wait_for()


def test_a_second_annotator_by_mouse_in_english_on_a_dark_phone(best: Served, log: Path, look: Look) -> None:
    page = look(f"{best.url}/?annotator=ben", theme="dark", width=390)
    after(page, "0 done, 3 left")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "nothing stands out to the right"
    tops = [page.locator(f"#answer{number}").bounding_box() for number in (0, 1)]
    assert tops[0] and tops[1] and tops[1]["y"] > tops[0]["y"] + tops[0]["height"] - 1
    page.get_by_text("How to judge").click()
    assert page.get_by_text("Prefer the answer that would help you most").is_visible()
    second = page.locator("#answer1 .text").inner_text()
    page.get_by_role("button", name="B is better").click()
    after(page, "1 done, 2 left")
    (event,) = written(log, "ben")
    assert event.kind == "comparison" and event.candidates[event.ranking[0]].text == second
    page.get_by_role("button", name="Undo the last one").click()
    after(page, "0 done, 3 left")


def test_every_field_and_button_has_a_name_and_texts_stay_texts(best: Served, look: Look) -> None:
    page = look(f"{best.url}/?annotator=<i>zoe</i>")
    page.get_by_role("button", name="Skip").click()
    after(page, "1 done")
    page.get_by_role("button", name="Skip").click()
    page.get_by_text("<b>¿Quién</b> vive aquí?").wait_for()
    page.keyboard.press("a")
    page.get_by_label("Corrected").wait_for()
    unnamed: list[Any] = page.evaluate(
        """[...document.querySelectorAll('button, a, textarea, input, progress, article')].filter((one) =>
           one.getAttribute('aria-hidden') !== 'true' && !one.closest('label') &&
           !(one.getAttribute('aria-label') || one.innerText || one.labels?.length)).map((one) => one.outerHTML)"""
    )
    assert unnamed == []
    assert page.evaluate("document.querySelectorAll('main').length") == 1


def test_a_ranking_is_picked_best_first(tmp_path: Path, look: Look) -> None:
    log = tmp_path / "events.jsonl"
    with board(log, "ranking") as served:
        page = look(f"{served.url}/?annotator=eva")
        after(page, "0 done, 3 left")
        shown = page.locator("article .text").all_inner_texts()
        page.keyboard.press("2")
        page.get_by_text("No. 1").wait_for()
        page.keyboard.press("r")
        page.get_by_text("No. 1").wait_for(state="detached")
        page.keyboard.press("3")
        page.get_by_text("No. 1").wait_for()
        page.keyboard.press("1")
        after(page, "1 done, 2 left")
    (event,) = written(log, "eva")
    assert event.kind == "comparison" and event.verdict == "ranking"
    assert [event.candidates[number].text for number in event.ranking] == [shown[2], shown[0], shown[1]]
