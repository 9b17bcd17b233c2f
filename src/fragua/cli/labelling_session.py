"""Labelling at a terminal, or line by line from a pipe: one key and Enter is a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from fragua.alignment.feedback.choices import (
    CRITIQUE,
    EDIT,
    LETTERS,
    UNDO,
    choices,
    question,
    ranking,
)
from fragua.alignment.feedback.labelling import Labelling, Shown
from fragua.cli.screen import clean
from fragua.language import Say

QUIT = "q"


class LabellingSession:
    """Shows a task, takes lines, and writes verdicts until nothing is left."""

    def __init__(
        self,
        labelling: Labelling,
        annotator: str,
        say: Say,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.labelling, self.annotator, self.say = labelling, annotator, say
        self.console, self.clock = console, clock
        self.shown: Shown | None = None
        self.corrected: dict[int, str] = {}
        self.critiques: dict[int, str] = {}
        self.since = 0.0

    def welcome(self, guidelines: str) -> None:
        self.console.print(Panel(Text(clean(guidelines)), title=self.say("Cómo juzgar", "How to judge")))
        self.show(self.labelling.next(self.annotator))

    def converse(self) -> None:
        """Reads lines until q, Ctrl-D, or nothing is left."""
        with suppress(ImportError):
            import readline  # noqa: F401 (line editing for `input`)
        try:
            while self.shown is not None and self.take(input("› ")):
                pass
        except EOFError:
            self.console.print()

    def show(self, shown: Shown | None) -> None:
        self.shown, self.since = shown, self.clock()
        self.corrected, self.critiques = {}, {}
        done, left = self.labelling.progress(self.annotator)
        if shown is None:
            self.console.print(
                self.say(f"No queda nada: {done} juzgadas.", f"Nothing is left: {done} judged.")
            )
            return
        self.console.rule(self.say(f"{done} hechas, quedan {left}", f"{done} done, {left} left"))
        for message in shown.task.prompt:
            self.console.print(Text(clean(f"{message['role']}: {message['content']}"), style="yellow"))
        panels = [
            Panel(Text(clean(text)), title=f"{number} · {LETTERS[number - 1]}", expand=True)
            for number, text in enumerate(shown.texts, 1)
        ]
        self.console.print(Columns(panels, equal=True, expand=True))
        self.console.print(Text(f"{question(self.labelling.settings, shown, self.say)}  {self._keys(shown)}"))

    def take(self, line: str) -> bool:
        """A line as it is typed; False ends the session."""
        key, _, rest = line.strip().partition(" ")
        key = key.lower()
        if key == QUIT:
            return False
        if key == UNDO:
            before = self.labelling.undo(self.annotator)
            if before is None:
                self._note(self.say("No hay nada que deshacer.", "There is nothing to undo."))
            else:
                self.show(before)
        elif self.shown is None or not key:
            pass
        elif key[0] in (EDIT, CRITIQUE) and key[1:].isdigit() and rest:
            self._write(self.shown, key[0], int(key[1:]), rest)
        elif (judgement := self._judgement(self.shown, key)) is not None:
            self.labelling.judge(
                self.shown, self.clock() - self.since, judgement, self.corrected, self.critiques
            )
            self.show(self.labelling.next(self.annotator))
        else:
            self._note(self._keys(self.shown))
        return self.shown is not None or key == UNDO

    def _judgement(self, shown: Shown, key: str) -> dict[str, object] | None:
        settings = self.labelling.settings
        if settings.ask == "ranking" and key.isdigit() and "0" not in key:
            positions = [int(digit) - 1 for digit in key]
            whole = len(set(positions)) == len(positions) and max(positions) < len(shown.order)
            return ranking(shown, positions) if whole else None
        return next((one.judgement for one in choices(settings, shown, self.say) if one.key == key), None)

    def _write(self, shown: Shown, kind: str, number: int, text: str) -> None:
        if not 1 <= number <= len(shown.order):
            self._note(self._keys(shown))
            return
        written = self.corrected if kind == EDIT else self.critiques
        written[shown.order[number - 1]] = text.replace("\\n", "\n")
        self._note(self.say("Anotado; va con tu veredicto.", "Noted; it goes with your verdict."))

    def _keys(self, shown: Shown) -> str:
        say, settings = self.say, self.labelling.settings
        told = [f"{one.key} {one.label}" for one in choices(settings, shown, say)]
        if settings.ask == "ranking":
            told.insert(0, say("p. ej. 21: primero la 2", "e.g. 21: the 2 first"))
        told += [
            say(f"{EDIT}1 TEXTO corrige la 1", f"{EDIT}1 TEXT corrects 1"),
            say(f"{CRITIQUE}1 TEXTO critica la 1", f"{CRITIQUE}1 TEXT criticises 1"),
            say(f"{UNDO} deshace", f"{UNDO} undoes"),
            say(f"{QUIT} termina", f"{QUIT} ends"),
        ]
        return " · ".join(told)

    def _note(self, text: str) -> None:
        self.console.print(Text(text, style="dim"))
