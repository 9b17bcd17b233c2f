"""The chat page: conversations with the models that are served, and what is known of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from fastapi import Request
from nicegui import Client, ui
from nicegui.element import Element
from starlette.concurrency import run_in_threadpool

from fragua.errors import FraguaError
from fragua.inference.engine import Sampling
from fragua.inference.tools import CALCULATOR
from fragua.inference.turns import Turn
from fragua.language import Say, speaker
from fragua.server.chat.answer import Answer, take, told
from fragua.server.chat.feedback import REGENERATED, Feedback
from fragua.server.chat.lineage import facts
from fragua.server.chat.store import Conversation, Conversations
from fragua.server.hosted import Hosted, Hosting
from fragua.server.page import button, frame, page_lang, words, writing

FOLDER = Path(__file__).parent
TOP = 5
"""Likeliest tokens that are told of each."""
REDRAW_S = 0.08
FIELD = "document.querySelector('.ask textarea').value"
SENDING = f"() => emit({FIELD})"
"""The text goes with the click: two events may change places while the page is still connecting."""
TITLE = 60
SAMPLING = {"temperature": 0.7, "top_p": 0.95, "max_tokens": 512}


def add_chat(hosting: Hosting, conversations: Conversations, feedback: Feedback | None = None) -> None:
    """Declares the pages `/` (a conversation anew) and `/chat/NAME`. With `feedback` people may judge answers."""

    def chat(request: Request, client: Client, name: str = "") -> None:
        say, visitor = speaker(page_lang(request)), request.state.visitor
        held = conversations.read(visitor, name) or Conversation()
        with frame(request, say("Charlar", "Chat"), page_lang(request), FOLDER / "style.css"):
            ui.add_head_html(f"<script>{(FOLDER / 'keys.js').read_text('utf-8')}</script>")
            page = ChatPage(hosting, conversations, visitor, held, say, feedback)
            client.on_delete(page.stop)

    ui.page("/")(chat)
    ui.page("/chat/{name}")(chat)


class ChatPage:
    """One conversation, in one tab of the browser."""

    def __init__(
        self,
        hosting: Hosting,
        conversations: Conversations,
        visitor: str,
        held: Conversation,
        say: Say,
        feedback: Feedback | None = None,
    ):
        self.hosting, self.conversations, self.say, self.feedback = hosting, conversations, say, feedback
        self.visitor, self.held = visitor, held
        self.turn: Turn | None = None
        self.probabilities = False
        with ui.element("div").classes("chat"):
            self.list = _region("nav", say("Conversaciones", "Conversations"))
            with ui.element("div").classes("talk"):
                self.turns = ui.element("div").classes("turns")
                self.turns.props.update({"role": "log", "aria-live": "polite", "aria-busy": "false"})
                self._ask()
            self.about = _region("aside", say("El modelo", "The model"))
        self._draw_list()
        self._draw_turns()
        with self.about:
            self._draw_about()

    @property
    def model(self) -> Hosted:
        found = self.hosting.find(self.held.settings.get("model")) or self.hosting.find(None)
        assert found is not None, "at least one is served"
        return found

    # ---- what is seen

    def _ask(self) -> None:
        say = self.say
        with ui.element("div").classes("ask"):
            self.wrong = words("p", "").classes("wrong")
            self.wrong.props["role"] = "alert"
            self.field = writing(say("Tu mensaje", "Your message"), "", None, 3)
            with ui.element("div").classes("row"):
                self.send_button = button(say("Enviar", "Send"), None, style="strong send")
                self.send_button.on("click", lambda event: self.send(event.args), js_handler=SENDING)
                self.stop_button = button(say("Detener", "Stop"), self.stop, key="Escape")
                self.stop_button.set_visibility(False)
                self.sure_button = button(
                    say("Probabilidades", "Probabilities"), self._turn_probabilities, "p", "plain"
                )
                self.sure_button.props["aria-pressed"] = "false"

    def _draw_list(self) -> None:
        self.list.clear()
        with self.list:
            words("h2", self.say("Conversaciones", "Conversations"))
            ui.html(f'<a class="button" href="/">{self.say("Nueva", "New")}</a>', sanitize=False)
            with ui.element("ul"):
                for name, title in self.conversations.list(self.visitor):
                    self._draw_entry(name, title)

    def _draw_entry(self, name: str, title: str) -> None:
        now = ' aria-current="page"' if name == self.held.id else ""
        with ui.element("li"):
            ui.html(f'<a href="/chat/{name}"{now}>{escape(title)}</a>', tag="span", sanitize=False).style(
                "flex: 1; min-width: 0; display: flex"
            )
            remove = button("✕", lambda: self._delete(name), style="plain")
            remove.props["aria-label"] = f"{self.say('Borrar', 'Delete')}: {title}"

    def _draw_turns(self) -> None:
        self.turns.clear()
        with self.turns:
            if not self.held.messages:
                words("p", self.say("Escribe algo para empezar.", "Write something to begin.")).classes(
                    "note"
                )
            for place, message in enumerate(self.held.messages):
                if message["role"] == "user":
                    self._draw_user(place, message)
                elif message["role"] == "assistant":
                    with Answer(self.say, self.model.name, self.probabilities).draw(message):
                        if self.feedback is not None and self.turn is None:
                            self._draw_verdicts(place, message)
            if self.held.messages and self.turn is None:
                button(self.say("Otra respuesta", "Regenerate"), self.regenerate, style="plain")

    def _draw_user(self, place: int, message: dict[str, Any]) -> None:
        with ui.element("article").classes("turn user"):
            words("p", self.say("Tú", "You")).classes("who")
            words("p", message["content"]).classes("told said")
            with ui.element("div").classes("under"):
                button(self.say("Editar", "Edit"), lambda: self.edit(place), style="plain")

    def _draw_verdicts(self, place: int, message: dict[str, Any]) -> None:
        say, given = self.say, message["shown"].get("good")
        with ui.element("div").classes("under"):
            for good, sign, label in (
                (True, "👍", say("Buena respuesta", "Good answer")),
                (False, "👎", say("Mala respuesta", "Bad answer")),
            ):
                made = button(sign, partial(self.judge, place, good), style="plain")
                made.props.update({"aria-label": label, "aria-pressed": str(given is good).lower()})
            button(say("Corregir", "Correct"), lambda: self._draw_correction(place), style="plain")

    def _draw_correction(self, place: int) -> None:
        """The answer as a field, in place of all turns below the question."""
        text = self.held.messages[place]["content"]
        better = [text]
        self.turns.clear()
        with self.turns:
            writing(self.say("La respuesta, mejor", "The answer, better"), text, better.append, 5)
            with ui.element("div").classes("row"):
                button(self.say("Guardar", "Save"), lambda: self.correct(place, better[-1]), style="strong")
                button(self.say("Dejarlo", "Leave it"), self._draw_turns, style="plain")

    def _draw_about(self) -> None:
        say = self.say
        words("h2", say("El modelo", "The model"))
        if len(self.hosting.models) > 1:
            _choice(say("Modelo", "Model"), list(self.hosting.models), self.model.name, self._choose_model)
        with ui.element("dl"):
            for name, value in (("", self.model.name), *facts(self.model, say)):
                words("dt", name or say("nombre", "name"))
                words("dd", value)
            words("dt", say("velocidad", "speed"))
            self.speed = words("dd", "–")
        words("h2", say("Ajustes", "Settings"))
        settings = self.held.settings
        writing(
            say("Instrucciones del sistema", "System prompt"),
            settings.get("system", ""),
            lambda text: self._set("system", text),
            3,
        )
        for name, label, step in (
            ("temperature", say("Temperatura", "Temperature"), 0.1),
            ("top_p", "Top-p", 0.05),
            ("max_tokens", say("Tokens como mucho", "Tokens at most"), 1),
        ):
            value = settings.get(name, SAMPLING[name])
            _number(label, value, step, lambda text, name=name: self._set(name, text))  # type: ignore[misc]

    # ---- what is done

    def _set(self, name: str, value: str) -> None:
        self.held.settings[name] = value
        if self.held.messages:
            self.conversations.write(self.visitor, self.held)

    def _choose_model(self, name: str) -> None:
        self._set("model", name)
        self.about.clear()
        with self.about:
            self._draw_about()

    def _turn_probabilities(self) -> None:
        self.probabilities = not self.probabilities
        self.sure_button.props["aria-pressed"] = str(self.probabilities).lower()
        self.sure_button.update()
        if self.turn is None:
            self._draw_turns()

    def _delete(self, name: str) -> None:
        self.conversations.delete(self.visitor, name)
        if name == self.held.id:
            self.stop()
            self.held = Conversation()
            ui.navigate.to("/")
        else:
            self._draw_list()

    def edit(self, place: int) -> None:
        """The message back into the field; it and what followed leave the conversation."""
        if self.turn is None:
            self._write(self.held.messages[place]["content"])
            del self.held.messages[place:]
            self._draw_turns()

    def judge(self, place: int, good: bool, text: str = "") -> None:
        """A thumb for an answer, once in each direction."""
        message = self.held.messages[place]
        if self.feedback is None or message["role"] != "assistant" or message["shown"].get("good") is good:
            return
        self.feedback.thumb(self.visitor, self.model, self.held.messages[: place + 1], good, text)
        message["shown"]["good"] = good
        self._keep()
        self._draw_turns()

    def correct(self, place: int, corrected: str) -> None:
        """The answer as somebody would rather have it; the conversation goes on with that."""
        message = self.held.messages[place]
        if self.feedback is not None and corrected.strip() and corrected != message["content"]:
            self.feedback.correct(self.visitor, self.model, self.held.messages[: place + 1], corrected)
            calls = message["shown"]["calls"]
            self.held.messages[place] = message | {
                "content": corrected,
                "shown": {"calls": calls, "tokens": []},
            }
            self._keep()
        self._draw_turns()

    async def regenerate(self) -> None:
        """The last question answered anew."""
        self.judge(len(self.held.messages) - 1, False, REGENERATED)
        while self.held.messages and self.held.messages[-1]["role"] != "user":
            self.held.messages.pop()
        await self._answer()

    async def send(self, text: str) -> None:
        if self.turn is not None or not text.strip():
            return
        self.held.messages.append({"role": "user", "content": text})
        if not self.held.title:
            self.held.title = " ".join(text.split())[:TITLE]
        self._write("")
        self._keep()
        ui.navigate.history.replace(f"/chat/{self.held.id}")
        await self._answer()

    def stop(self) -> None:
        if self.turn is not None:
            self.turn.abort()

    def _write(self, text: str) -> None:
        self.field.run_method("focus")
        ui.run_javascript(f"{FIELD} = {_quoted(text)}")

    def _keep(self) -> None:
        self.conversations.write(self.visitor, self.held)
        self._draw_list()

    async def _answer(self) -> None:
        if self.turn is not None:
            return
        self.wrong.set_content("")
        held = self.held
        shown: dict[str, Any] = {"calls": [], "tokens": []}
        message: dict[str, Any] = {"role": "assistant", "content": "", "shown": shown}
        try:
            self.turn = turn = self._begin()
            shown["sampling"] = self._sampling()
            turn.begin(await run_in_threadpool(turn.prompt))
        except FraguaError as error:
            self.turn = None
            self.wrong.set_content(escape(str(error)))
            return
        self._busy(True)
        self._draw_turns()
        with self.turns:
            answer = Answer(self.say, self.model.name, self.probabilities)
            answer.draw(message, busy=True)
        try:
            await self._follow(turn, message, answer)
        except FraguaError as error:
            self.wrong.set_content(escape(str(error)))
        finally:
            self.turn = None
            held.messages.append(message)
            if self.held is held:  # else it was deleted meanwhile
                self._keep()
            self._busy(False)
            self._draw_turns()

    async def _follow(self, turn: Turn, message: dict[str, Any], answer: Answer) -> None:
        tokenizer, shown = self.model.lm.tokenizer, message["shown"]
        started = drawn = time.monotonic()
        count = 0
        async for happening in turn:
            take(message, happening)
            shown["tokens"] += [told(tokenizer, written) for written in happening.tokens]
            count += len(happening.tokens)
            now = time.monotonic()
            if now - drawn > REDRAW_S:
                drawn = now
                answer.update(message)
                self.speed.set_content(f"{count / (now - started):.1f} tokens/s")
        shown |= {"reason": happening.finish_reason, "steps": turn.steps.get(0, [])}

    def _begin(self) -> Turn:
        """Raises InputError for a setting that is out of range."""
        settings = self.held.settings
        system = settings.get("system", "").strip()
        messages = [{"role": "system", "content": system}] if system else []
        for message in self.held.messages:
            shown = message.get("shown", {})
            messages += shown.get("steps", [])
            content = message["content"][shown.get("since", 0) :]
            messages.append({"role": message["role"], "content": content})
        drawn = Sampling.parse(self._sampling() | {"logprobs": TOP})
        return Turn(self.model.engine, messages, drawn, run=(CALCULATOR,))

    def _sampling(self) -> dict[str, Any]:
        return {name: self.held.settings.get(name, default) for name, default in SAMPLING.items()}

    def _busy(self, busy: bool) -> None:
        self.stop_button.set_visibility(busy)
        self.send_button.props["disabled"] = busy
        self.send_button.update()
        self.turns.props["aria-busy"] = str(busy).lower()
        self.turns.update()


def _region(tag: str, label: str) -> Element:
    made = ui.element(tag).classes("panel")
    made.props["aria-label"] = label
    return made


def _number(label: str, value: Any, step: float, on_input: Callable[[str], None]) -> None:
    with ui.element("label").classes("labelled"):
        words("span", label)
        made = ui.element("input").classes("field")
        made.props.update(type="number", value=value, step=step, min=0)
        made.on("change", lambda event: on_input(event.args), js_handler="(e) => emit(e.target.value)")


def _choice(label: str, names: Sequence[str], chosen: str, on_change: Callable[[str], None]) -> None:
    with ui.element("label").classes("labelled"):
        words("span", label)
        with ui.element("select").classes("field") as made:
            for name in names:
                option = words("option", name)
                option.props.update({"value": name} | ({"selected": True} if name == chosen else {}))
        made.on("change", lambda event: on_change(event.args), js_handler="(e) => emit(e.target.value)")


def _quoted(text: str) -> str:
    """As JavaScript has it, inside of a script in HTML too."""
    return json.dumps(text).replace("<", "\\u003c")
