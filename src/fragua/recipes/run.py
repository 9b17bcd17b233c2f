"""A whole run in one directory: locked, planned once, lived stage by stage, recorded and shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fragua
from fragua.progress import console
from fragua.recipes.ledger import Entry, Ledger
from fragua.recipes.lock import only_run
from fragua.recipes.plan import Plan
from fragua.recipes.recipe import Recipe
from fragua.recipes.settle import settle
from fragua.recipes.stage import Life, Stage, Watcher, live

RECORD_INTERVAL_S = 10.0
PAGE_INTERVAL_S = 30.0


def run(
    recipe: Recipe,
    out: Path,
    watcher: Watcher,
    *,
    lang: str = "en",
    stages: Sequence[Stage] | None = None,
    planned: Callable[[Plan, dict[str, Any], Ledger], None] | None = None,
) -> Ledger:
    """Lives the recipe in `out`, or goes on where an earlier run with the same recipe stopped.

    `planned` is called with plan, machine and record before anything starts. Raises InputError where `out`
    is locked or is not a run's directory, and whatever a stage raises; what is finished stays finished."""
    if stages is None:
        from fragua.recipes.stages import stages_of

        stages = stages_of(recipe)
    with only_run(out):
        ledger = Ledger.open(out)
        plan, machine = settle(recipe, out)
        ledger.head = {
            "fragua": fragua.__version__,
            "recipe": recipe.name,
            "started": ledger.head.get("started") or datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": recipe.model_dump(mode="json"),
            "machine": machine,
        }
        ledger.save()
        if planned:
            planned(plan, machine, ledger)
        live(Life(out, recipe, plan, ledger, Scribe(watcher, ledger, lang), lang), stages)
    return ledger


class Scribe:
    """Passes every event on to the terminal, and keeps run.json's clock and the report page up to date.

    A page that can't be written while the model learns is said once; the work goes on."""

    def __init__(self, terminal: Watcher, ledger: Ledger, lang: str):
        self.terminal, self.ledger, self.lang = terminal, ledger, lang
        self.entry: Entry | None = None
        self.began_at = self.recorded_at = self.page_at = 0.0
        self.warned = False

    def began(self, stage: Stage, resumed: bool) -> None:
        self.entry = self.ledger.entries[stage.name]
        self.began_at = self.recorded_at = time.monotonic()
        if stage.name != "report":
            self._page()
        self.terminal.began(stage, resumed)

    def skipped(self, stage: Stage, entry: Entry) -> None:
        self.terminal.skipped(stage, entry)

    def ended(self, stage: Stage, entry: Entry) -> None:
        self.entry = None
        self.terminal.ended(stage, entry)

    def step(self, row: dict[str, Any]) -> None:
        now = time.monotonic()
        if self.entry and now - self.recorded_at >= RECORD_INTERVAL_S:
            self.recorded_at = now
            seconds = round(self.entry.seconds + now - self.began_at, 3)
            self.ledger.put(self.entry.model_copy(update={"seconds": seconds}))
        if now - self.page_at >= PAGE_INTERVAL_S:
            self._page()
        self.terminal.step(row)

    def sample(self, row: dict[str, Any]) -> None:
        self.terminal.sample(row)

    def _page(self) -> None:
        from fragua.recipes.report.page import write_report

        self.page_at = time.monotonic()
        try:
            write_report(self.ledger.out, self.lang, finished=False)
        except Exception as error:  # whatever it is, hours of training weigh more than a page
            if not self.warned:
                self.warned = True
                told = " ".join(f"{type(error).__name__}: {error}".split())
                console.print(
                    f"the report page was not written ({told}); the work goes on",
                    style="yellow",
                    markup=False,
                )
