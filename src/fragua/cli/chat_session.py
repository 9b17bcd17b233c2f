"""One conversation at a terminal: commands, answers as they are written, and turns that no longer fit."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from fragua.cli.language import Say
from fragua.cli.screen import clean
from fragua.errors import FraguaError
from fragua.files import read_json, write_jsonl
from fragua.inference.chat import fit_turns
from fragua.inference.completion import Event, Message, Options
from fragua.inference.language_model import LanguageModel
from fragua.inference.reading import Reader

COMMANDS = {
    "/help": "help",
    "/ayuda": "help",
    "/save": "save",
    "/guardar": "save",
    "/reset": "reset",
    "/reiniciar": "reset",
    "/quit": "quit",
    "/exit": "quit",
    "/salir": "quit",
}


class ChatSession:
    """Holds the whole conversation; the model is given as much of its end as fits."""

    def __init__(self, lm: LanguageModel, options: Options, say: Say, console: Console):
        self.lm, self.options, self.say, self.console = lm, options, say, console
        self.messages: list[dict[str, Any]] = []
        self.reader = Reader(lm.decoder)
        self.dropped = self.turns = 0

    def welcome(self, model: Path) -> None:
        say, config = self.say, self.lm.model.config
        facts = say(
            f"{config.parameters() / 1e6:.1f} M parámetros · contexto de {config.context} tokens",
            f"{config.parameters() / 1e6:.1f} M parameters · context of {config.context} tokens",
        )
        hints = say(
            "/ayuda · Ctrl-C detiene la respuesta · Ctrl-D sale",
            "/help · Ctrl-C stops the answer · Ctrl-D leaves",
        )
        text = Text.assemble((str(model), "bold yellow"), f"\n{facts}\n", (hints, "dim"))
        self.console.print(Panel(text, title="Fragua", border_style="yellow", expand=False))
        lineage = model / "fragua.json"
        if lineage.is_file() and read_json(lineage).get("kind") == "base":
            self.note(
                say(
                    "Es un modelo base: continúa textos, aún no sabe conversar (fragua finetune).",
                    "This is a base model: it continues texts and can't converse yet (fragua finetune).",
                )
            )

    def converse(self) -> None:
        """Reads lines until Ctrl-D or /quit; Ctrl-C at the prompt only says so."""
        with suppress(ImportError):
            import readline  # noqa: F401 (line editing and history for `input`)
        while True:
            try:
                line = input("› ")
            except KeyboardInterrupt:
                self.note(self.say("Ctrl-D o /salir para salir", "Ctrl-D or /quit to leave"), newline=True)
                continue
            except EOFError:
                self.console.print()
                return
            if not self.take(line):
                return

    def take(self, line: str) -> bool:
        """Handles one line; False when it asks to leave."""
        line = line.strip()
        if not line:
            return True
        if line.startswith("/"):
            return self._command(line)
        self._answer(line)
        return True

    def note(self, text: str, newline: bool = False) -> None:
        """A line of the interface, apart from what is said."""
        self.console.print(Text(("\n" if newline else "") + text, style="dim"))

    # ---- commands

    def _command(self, line: str) -> bool:
        name, _, rest = line.partition(" ")
        command = COMMANDS.get(name.lower())
        if command == "quit":
            return False
        if command == "help":
            self._help()
        elif command == "reset":
            self.messages, self.dropped = [], 0
            self.note(self.say("La conversación empieza de nuevo.", "The conversation begins anew."))
        elif command == "save":
            self._save(rest.strip())
        else:
            self.note(self.say(f"No conozco {name}; mira /ayuda.", f"There is no {name}; see /help."))
        return True

    def _help(self) -> None:
        self.note(
            self.say(
                "/ayuda             estas líneas\n"
                "/guardar FICHERO   guarda la conversación (JSONL, sirve para fragua finetune)\n"
                "/reiniciar         empieza de nuevo\n"
                "/salir             termina, como Ctrl-D\n"
                "Ctrl-C             detiene la respuesta",
                "/help        these lines\n"
                "/save FILE   saves the conversation (JSONL, good for fragua finetune)\n"
                "/reset       begins anew\n"
                "/quit        leaves, as Ctrl-D does\n"
                "Ctrl-C       stops the answer",
            )
        )

    def _save(self, name: str) -> None:
        if not name:
            self.note(self.say("¿Dónde? /guardar FICHERO", "Where? /save FILE"))
            return
        path = Path(name).expanduser()
        try:
            write_jsonl(path, [{"messages": self.messages}])
        except (OSError, FraguaError) as error:
            self.note(self.say(f"No se pudo guardar: {error}", f"It could not be saved: {error}"))
            return
        count = len(self.messages)
        self.note(self.say(f"{count} mensajes en {path}", f"{count} messages in {path}"))

    # ---- answers

    def _answer(self, line: str) -> None:
        self.messages.append({"role": "user", "content": line})
        seed = None if self.options.seed is None else self.options.seed + self.turns
        self.turns += 1
        written: list[str] = []
        started = time.perf_counter()
        try:
            for event in self.lm.stream_chat(
                self._fitted(),
                reader=self.reader,
                temperature=self.options.temperature,
                max_tokens=self.options.max_tokens,
                seed=seed,
            ):
                self._show(event, written)
                if event.message is not None:
                    self.messages += event.message.steps
                    self._figures(event.message, time.perf_counter() - started)
        except KeyboardInterrupt:
            self.messages.append({"role": "assistant", "content": "".join(written)})
            self.note(self.say("(detenida)", "(stopped)"), newline=True)
        except FraguaError as error:
            self.messages.pop()
            self.note(str(error))

    def _fitted(self) -> list[dict[str, Any]]:
        """The conversation's end that leaves room for an answer; says when turns are dropped for it."""
        room = min(self.options.max_tokens, self.lm.context // 4)
        kept, dropped = fit_turns(
            self.messages, lambda part: len(self.lm.chat_ids(part)), self.lm.context - room
        )
        if dropped > self.dropped:
            self.note(
                self.say(
                    f"(la conversación ya no cabe entera: el modelo olvida las {dropped} primeras preguntas)"
                    if dropped > 1
                    else "(la conversación ya no cabe entera: el modelo olvida la primera pregunta)",
                    f"(the conversation no longer fits: the model forgets the first {dropped} questions)"
                    if dropped > 1
                    else "(the conversation no longer fits: the model forgets the first question)",
                )
            )
        self.dropped = dropped
        return kept

    def _show(self, event: Event, written: list[str]) -> None:
        if event.kind == "text":
            written.append(event.text)
            self.console.print(clean(event.text), end="")
        elif event.kind == "tool_call":
            if written and not written[-1].endswith("\n"):
                self.console.print()
            function = (event.call or {}).get("function", {})
            arguments = function.get("arguments", "")
            if isinstance(arguments, dict):
                arguments = ", ".join(
                    value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                    for value in arguments.values()
                )
            name = function.get("name") or self.say("llamada", "call")
            self.console.print(Text(clean(f"  ⚙ {name}({arguments})"), style="cyan"), end="")
        elif event.kind == "tool_result":
            self.console.print(Text(clean(f" = {event.text}"), style="cyan"))
            written.clear()

    def _figures(self, message: Message, seconds: float) -> None:
        """Ends the answer's line; at a terminal also its size and speed."""
        self.console.print()
        if self.console.is_terminal:
            rate = message.tokens / max(seconds, 1e-9)
            cut = self.say(" · cortada", " · cut off") if message.finish_reason == "length" else ""
            self.note(f"  {message.tokens} tokens · {rate:,.0f}/s{cut}")
