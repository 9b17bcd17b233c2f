"""The labelling page: one task at a time, blind, every verdict one key away."""

from __future__ import annotations

import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from fastapi import Request
from nicegui import ui

from fragua.alignment.feedback.choices import (
    LETTERS,
    SKIP,
    UNDO,
    Choice,
    choices,
    default_guidelines,
    question,
    ranking,
)
from fragua.alignment.feedback.labelling import Labelling, Shown
from fragua.errors import FraguaError
from fragua.language import Lang, Say, speaker
from fragua.server.page import button, frame, page_lang, words, writing

STYLE = Path(__file__).parent / "style.css"
NAME = "annotator"
HELP_KEY, RESET_KEY = "?", "r"


def add_labelling(labelling: Labelling, guidelines: str | None = None, lang: Lang | None = None) -> None:
    """Declares the page at `/`. `guidelines` stand in place of the usual ones, `lang` is spoken unless another one is
    chosen on the page."""

    @ui.page("/")
    def label(request: Request) -> None:
        spoken = page_lang(request, lang)
        say = speaker(spoken)
        annotator = request.query_params.get(NAME, "").strip()
        with frame(request, say("Comparar respuestas", "Compare answers"), spoken, STYLE):
            if annotator:
                Board(labelling, annotator, guidelines or default_guidelines(say), say)
            else:
                _ask_name(spoken, say)


def _ask_name(lang: Lang, say: Say) -> None:
    """A plain form: the address that it leads to is the annotator's own, to be kept."""
    label = say("Tu nombre o un apodo", "Your name, or any other")
    why = say(
        "Queda junto a tus veredictos, para ver cuánto coincidís y poder seguir otro día.",
        "It is kept beside your verdicts, to see how far you all agree and to go on another day.",
    )
    ui.html(
        f'<form class="card who"><input type="hidden" name="lang" value="{lang}"><label class="labelled">'
        f'<span>{label}</span><input class="field" name="{NAME}" required maxlength="60" autofocus '
        f'autocomplete="nickname"></label><p class="note">{escape(why)}</p>'
        f'<button class="button strong">{say("Empezar", "Begin")}</button></form>',
        sanitize=False,
    )


class Board:
    """What one annotator sees, in one tab of the browser."""

    def __init__(
        self,
        labelling: Labelling,
        annotator: str,
        guidelines: str,
        say: Say,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.labelling, self.annotator, self.say, self.clock = labelling, annotator, say, clock
        self.status = ui.element("div").classes("status")
        self.status.props["role"] = "status"
        self.details = ui.element("details").classes("card guide")
        with self.details:
            words("summary", say("Cómo juzgar", "How to judge"))
            words("p", guidelines).classes("told")
            words("p", self._about_keys()).classes("note")
        self.wrong = words("p", "").classes("wrong")
        self.wrong.props["role"] = "alert"
        self.body = ui.element("div")
        self.show(labelling.next(annotator))

    def show(self, shown: Shown | None) -> None:
        """A task anew: nothing picked, nothing written."""
        self.shown, self.since = shown, self.clock()
        self.picked: list[int] = []
        self.opened: set[int] = set()
        self.corrected: dict[int, str] = {}
        self.critiques: dict[int, str] = {}
        self._progress()
        self.wrong.set_content("")
        self._draw()

    def judge(self, judgement: dict[str, Any]) -> None:
        assert self.shown is not None, "its buttons are drawn with a task only"
        try:
            seconds = self.clock() - self.since
            self.labelling.judge(self.shown, seconds, judgement, self.corrected, self.critiques)
            self.show(self.labelling.next(self.annotator))
        except FraguaError as error:
            self.wrong.set_content(escape(str(error)))

    def undo(self) -> None:
        before = self.labelling.undo(self.annotator)
        if before is not None:
            self.show(before)

    def pick(self, position: int) -> None:
        """The next best of a ranking; the last but one decides."""
        assert self.shown is not None
        self.picked.append(position)
        if judgement := ranking(self.shown, self.picked):
            self.judge(judgement)
        else:
            self._draw()

    def reset(self) -> None:
        self.picked = []
        self._draw()

    def open(self, position: int) -> None:
        """Shows the fields in which an answer is corrected and criticised, or hides them, and keeps what they hold."""
        self.opened ^= {position}
        self._draw()
        if position in self.opened:
            ui.run_javascript(f"document.querySelector('#answer{position} textarea')?.focus()")

    def _draw(self) -> None:
        self.body.clear()
        with self.body:
            if self.shown is None:
                self._end()
                return
            shown, say = self.shown, self.say
            offered = choices(self.labelling.settings, shown, say)
            with ui.element("section").classes("asked") as asked:
                asked.props["aria-label"] = say("Conversación", "Conversation")
                for message in shown.task.prompt:
                    with ui.element("div").classes(f"turn {message['role']}"):
                        words("span", _role(message["role"], say)).classes("note")
                        words("p", message["content"]).classes("told")
            words("h2", question(self.labelling.settings, shown, say)).classes("question")
            with ui.element("div").classes(f"answers of{min(len(shown.order), 3)}"):
                for position in range(len(shown.order)):
                    self._answer(shown, position, [one for one in offered if one.position == position])
            with ui.element("div").classes("verdict"):
                for choice in offered:
                    if choice.position is None:
                        self._choice(choice, "plain" if choice.key == SKIP else "")
                if self.picked:
                    button(say("Desde el principio", "Start over"), self.reset, RESET_KEY, "plain")
                self._undo_button()

    def _answer(self, shown: Shown, position: int, offered: list[Choice]) -> None:
        say, letter, number = self.say, LETTERS[position], shown.order[position]
        with ui.element("article").classes("card answer") as card:
            card.props["id"] = f"answer{position}"
            card.props["aria-label"] = say(f"Respuesta {letter}", f"Answer {letter}")
            words("h3", letter).props["aria-hidden"] = "true"
            words("div", shown.texts[position]).classes("told text")
            if position in self.opened:
                text = self.corrected.get(number, shown.texts[position])
                self._field(say("Corregida", "Corrected"), text, self.corrected, number, 6)
                label = say("Qué tiene de bueno o de malo", "What is good or bad about it")
                self._field(label, self.critiques.get(number, ""), self.critiques, number, 3)
            with ui.element("div").classes("under"):
                for choice in offered:
                    self._choice(choice, "strong" if self.labelling.settings.ask == "best" else "")
                if self.labelling.settings.ask == "ranking":
                    self._rank(position, letter)
                changes = say("Corregir o criticar", "Correct or criticise")
                opener = button(changes, lambda: self.open(position), letter.lower(), "plain")
                opener.props["aria-expanded"] = str(position in self.opened).lower()

    def _field(self, label: str, text: str, into: dict[int, str], number: int, rows: int) -> None:
        writing(label, text, lambda written: into.update({number: written}), rows)

    def _rank(self, position: int, letter: str) -> None:
        if position in self.picked:
            place = self.picked.index(position) + 1
            words("strong", self.say(f"{place}.ª", f"No. {place}")).classes("place")
        else:
            label = self.say(f"Ahora la {letter}", f"{letter} is next")
            button(label, lambda: self.pick(position), str(position + 1), "strong")

    def _choice(self, choice: Choice, style: str) -> None:
        button(choice.label, lambda: self.judge(choice.judgement), choice.key, style)

    def _undo_button(self) -> None:
        if self.labelling.progress(self.annotator).done:
            button(self.say("Deshacer la anterior", "Undo the last one"), self.undo, UNDO, "plain")

    def _progress(self) -> None:
        done, left = self.labelling.progress(self.annotator)
        self.status.clear()
        with self.status:
            bar = ui.element("progress")
            bar.props.update({"max": max(1, done + left), "value": done, "aria-hidden": "true"})
            words("span", self.say(f"{done} hechas, quedan {left}", f"{done} done, {left} left"))

    def _end(self) -> None:
        with ui.element("section").classes("card end"):
            words(
                "h2", self.say("No queda nada por juzgar. ¡Gracias!", "Nothing is left to judge. Thank you!")
            )
            self._undo_button()

    def _about_keys(self) -> str:
        return self.say(
            "Cada botón muestra su tecla; Esc sale de un campo de texto. El orden es al azar y nada dice de qué modelo "
            "es cada respuesta.",
            "Each button shows its key; Esc leaves a field of text. The order is random, and nothing tells which model "
            "an answer is from.",
        )


def _role(role: str, say: Say) -> str:
    names = {"user": say("Pregunta", "Question"), "assistant": say("Respuesta", "Answer")}
    return names.get(role, say("Instrucciones", "Instructions") if role == "system" else role)
