"""A stage of a life: what decides its result, what it reads, writes and owns, its work, when to skip it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fragua.errors import RunError
from fragua.files import digest_json
from fragua.recipes.ledger import Entry, Ledger, digest_matches
from fragua.recipes.plan import Plan
from fragua.recipes.recipe import Recipe


class Watcher(Protocol):
    """Who looks on: the terminal, the report. None of its methods changes the run."""

    def began(self, stage: Stage, resumed: bool) -> None: ...
    def skipped(self, stage: Stage, entry: Entry) -> None: ...
    def ended(self, stage: Stage, entry: Entry) -> None: ...
    def step(self, row: dict[str, Any]) -> None: ...
    def sample(self, row: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Life:
    """What every stage may look at."""

    out: Path
    recipe: Recipe
    plan: Plan
    ledger: Ledger
    watcher: Watcher
    lang: str = "en"


@dataclass(frozen=True)
class Stage:
    """Patterns are globs relative to the run's directory. `owns` is removed before work that can't resume.

    `settles` may settle what the plan has left open, before this stage is looked at."""

    name: str
    settings: Callable[[Life], object]
    work: Callable[[Life], dict[str, Any]]
    writes: tuple[str, ...]
    owns: tuple[str, ...]
    reads: tuple[str, ...] = ()
    resumes: bool = False
    settles: Callable[[Life], Life] | None = None


def live(life: Life, stages: Sequence[Stage]) -> None:
    """Does each stage in turn, or skips it where neither inputs nor outputs have changed since it was done."""
    for stage in stages:
        life = stage.settles(life) if stage.settles else life
        entry = life.ledger.entries.get(stage.name)
        inputs = _inputs_digest(life, stage)
        if (
            entry
            and entry.status == "done"
            and entry.inputs == inputs
            and entry.outputs == _outputs_digest(life, stage)
        ):
            life.watcher.skipped(stage, entry)
            continue
        resumed = bool(entry and stage.resumes and entry.status == "running" and entry.inputs == inputs)
        if not resumed:
            for name in stage.owns:
                _remove(life.out / name)
        before = entry.seconds if entry and resumed else 0.0
        _do(life, stage, Entry(name=stage.name, status="running", seconds=before, inputs=inputs), resumed)


def _do(life: Life, stage: Stage, entry: Entry, resumed: bool) -> None:
    life.ledger.put(entry)
    life.watcher.began(stage, resumed)
    started = time.monotonic()
    try:
        figures = stage.work(life)
    except BaseException:
        life.ledger.put(entry.model_copy(update={"seconds": entry.seconds + time.monotonic() - started}))
        raise
    outputs = _outputs_digest(life, stage)
    if outputs is None:
        raise RunError(f"the stage ended without {' and '.join(stage.writes)}", life.out)
    seconds = entry.seconds + time.monotonic() - started
    done = entry.model_copy(
        update={"status": "done", "seconds": round(seconds, 3), "outputs": outputs, "figures": figures}
    )
    life.ledger.put(done)
    life.watcher.ended(stage, done)


def _inputs_digest(life: Life, stage: Stage) -> str:
    files = digest_matches(life.out, stage.reads)
    if files is None:
        raise RunError(f"the stage '{stage.name}' needs {' and '.join(stage.reads)}", life.out)
    return digest_json({"settings": stage.settings(life), "files": files})


def _outputs_digest(life: Life, stage: Stage) -> str | None:
    files = digest_matches(life.out, stage.writes)
    return None if files is None else digest_json(files)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
