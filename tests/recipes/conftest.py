"""A life of three tiny stages that write one file each, and a plan for it: the logic of a run without its work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fragua.models.config import decoder_config
from fragua.recipes import run as run_module
from fragua.recipes.ledger import Entry, Ledger
from fragua.recipes.plan import make_plan
from fragua.recipes.recipe import Recipe, load_recipe
from fragua.recipes.speed import fit_speed
from fragua.recipes.stage import Life, Stage

MACHINE = {"processor": "test", "cores": 2, "memory_bytes": 8_000_000_000, "precision": "float32"}


class Quiet:
    """A watcher that writes down what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def began(self, stage: Stage, resumed: bool) -> None:
        self.told.append(("resumed" if resumed else "began", stage.name))

    def skipped(self, stage: Stage, entry: Entry) -> None:
        self.told.append(("skipped", stage.name))

    def ended(self, stage: Stage, entry: Entry) -> None:
        self.told.append(("ended", stage.name))

    def step(self, row: dict[str, Any]) -> None: ...

    def sample(self, row: dict[str, Any]) -> None: ...


class ThreeStages:
    """letters -> words (resumes) -> page. `fail_in` raises in the middle of that stage."""

    def __init__(self) -> None:
        self.letters = "abc"
        self.fail_in: tuple[str, BaseException] | None = None
        self.stages = (
            Stage("letters", lambda life: self.letters, self._letters, ("letters/all.txt",), ("letters",)),
            Stage(
                "words",
                lambda life: 3,
                self._words,
                ("words/all.txt",),
                ("words",),
                reads=("letters/*.txt",),
                resumes=True,
            ),
            Stage(
                "page", lambda life: None, self._page, ("page.txt",), ("page.txt",), reads=("words/all.txt",)
            ),
        )

    def _letters(self, life: Life) -> dict[str, Any]:
        return self._write(life, "letters", "letters/all.txt", self.letters)

    def _words(self, life: Life) -> dict[str, Any]:
        half = life.out / "words" / "half.txt"
        started = half.exists()
        half.parent.mkdir(exist_ok=True)
        half.write_text("half")
        letters = (life.out / "letters" / "all.txt").read_text()
        return self._write(life, "words", "words/all.txt", letters * 2) | {"went_on": started}

    def _page(self, life: Life) -> dict[str, Any]:
        return self._write(life, "page", "page.txt", (life.out / "words" / "all.txt").read_text().upper())

    def _write(self, life: Life, name: str, path: str, text: str) -> dict[str, Any]:
        if self.fail_in and self.fail_in[0] == name:
            raise self.fail_in[1]
        (life.out / path).parent.mkdir(parents=True, exist_ok=True)
        (life.out / path).write_text(text)
        return {"characters": len(text)}


@pytest.fixture
def three() -> ThreeStages:
    return ThreeStages()


@pytest.fixture
def small_recipe() -> Recipe:
    return load_recipe("smoke")


@pytest.fixture
def lives(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Ledger, Quiet]]:
    """`lives(recipe, out, stages)` runs with a plan made from a known speed and no page."""
    from fragua.recipes import settle as settle_module

    speed = fit_speed([(decoder_config(2, 1024, 128), 20_000.0)])
    monkeypatch.setattr(settle_module, "measure_here", lambda recipe: (speed, MACHINE))
    monkeypatch.setattr(run_module.Scribe, "_page", lambda self: None)

    def live(recipe: Recipe, out: Path, stages: tuple[Stage, ...]) -> tuple[Ledger, Quiet]:
        quiet = Quiet()
        return run_module.run(recipe, out, quiet, stages=stages), quiet

    return live


@pytest.fixture
def small_plan(small_recipe: Recipe) -> Any:
    return make_plan(small_recipe, fit_speed([(decoder_config(2, 1024, 128), 20_000.0)]), MACHINE)
