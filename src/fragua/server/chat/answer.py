"""One answer on the chat page: while it is written, and after."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from nicegui import ui
from nicegui.element import Element

from fragua.inference.releasing import Written
from fragua.inference.turns import Happening
from fragua.language import Say
from fragua.server.api.answering import shown_token
from fragua.server.chat.html import rendered, with_probabilities
from fragua.server.page import words


class Answer:
    """One answer on the page, while it is written and after."""

    def __init__(self, say: Say, who: str, probabilities: bool):
        self.say, self.who, self.probabilities = say, who, probabilities

    def draw(self, message: dict[str, Any], busy: bool = False) -> Element:
        with ui.element("article").classes("turn assistant busy" if busy else "turn assistant") as made:
            words("p", self.who).classes("who")
            self.calls = ui.html("", sanitize=False)
            self.said = ui.html("", sanitize=False).classes("said")
            self.update(message)
            if message["shown"].get("reason") == "length":
                words("p", self.say("(se acabó el sitio)", "(no room was left)")).classes("note")
        return made

    def update(self, message: dict[str, Any]) -> None:
        shown = message["shown"]
        self.calls.set_content("".join(map(self._call, shown["calls"])))
        if self.probabilities and shown["tokens"]:
            tokens = with_probabilities(shown["tokens"])
            self.said.set_content(f'<div class="tokens" role="group">{tokens}</div>')
        else:
            self.said.set_content(rendered(message["content"]))

    def _call(self, call: Sequence[str]) -> str:
        name, arguments, result = (escape(text) for text in call)
        used = self.say("usó", "used")
        return (
            f"<details><summary>{used} <b>{name}</b> → {result or '…'}</summary>"
            f"<pre>{arguments}\n→ {result}</pre></details>"
        )


def take(message: dict[str, Any], happening: Happening) -> None:
    """Into the message what happened while it was written."""
    calls = message["shown"]["calls"]
    message["content"] += happening.text
    if happening.call is not None:
        function = happening.call["function"]
        calls.append([function["name"], str(function["arguments"]), ""])
    if happening.result is not None:
        waiting = [call for call in calls if not call[2]]
        if waiting:
            waiting[0][2] = happening.result
        message["shown"]["since"] = len(message["content"])


def told(tokenizer: Any, written: Written) -> tuple[str, float, list[tuple[str, float]]]:
    """A token as it is shown, its log-probability, and those of the likeliest ones."""
    token, logprob, top = written.logprob
    return shown_token(tokenizer, token), logprob, [(shown_token(tokenizer, other), p) for other, p in top]
