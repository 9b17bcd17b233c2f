"""Who is asked what, in which order, and what becomes of the verdict: what the terminal and the page share."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from pydantic import Field

from fragua.alignment.feedback.agreement import agreement
from fragua.alignment.feedback.events import Skip, Undo, Verdict, parse_event, standing
from fragua.alignment.feedback.log import EventLog
from fragua.alignment.feedback.tasks import Task, unit
from fragua.errors import InputError
from fragua.files import digest_json
from fragua.settings import Settings

Ask = Literal["best", "ranking", "rating", "thumbs"]


class LabellingSettings(Settings):
    """What is asked about each task, and of how many people."""

    ask: Ask = "best"
    levels: int = Field(default=5, ge=2, le=9)
    """Marks of a rating."""
    overlap: float = Field(default=0.2, ge=0, le=1)
    """Share of the tasks that every annotator is asked; each of the others is asked of one."""
    seed: int = 0


class Shown(NamedTuple):
    """A task before an annotator: `order` holds the candidates by number, leftmost first."""

    task: Task
    annotator: str
    order: tuple[int, ...]

    @property
    def texts(self) -> list[str]:
        return [self.task.candidates[number].text for number in self.order]


class Progress(NamedTuple):
    done: int
    left: int


class Labelling:
    """One a log. Nothing is kept but in the log: opened again, everybody goes on where they were.

    Marks and thumbs are asked about each answer by itself; tasks without two answers to compare are left out."""

    def __init__(
        self,
        tasks: Sequence[Task],
        log: EventLog,
        settings: LabellingSettings,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self.log, self.settings, self.now = log, settings, now
        if settings.ask in ("rating", "thumbs"):
            tasks = [Task(prompt=task.prompt, candidates=(one,)) for task in tasks for one in task.candidates]
        else:
            tasks = [task for task in tasks if len(task.candidates) > 1]
        self.tasks = {task.id: task for task in tasks}
        self._held: dict[str, str] = {}
        self._units: dict[str, str] = {}

    def next(self, annotator: str) -> Shown | None:
        """The first task that this annotator has still to judge; None at the end.

        What is before another one now is left to them, as long as there is something else."""
        open_tasks = self._open(annotator)
        held = {task for other, task in self._held.items() if other != annotator} - self._shared
        task = next((task for task in open_tasks if task.id not in held), next(iter(open_tasks), None))
        if task is None:
            self._held.pop(annotator, None)
            return None
        return self._show(task, annotator)

    def judge(
        self,
        shown: Shown,
        seconds: float,
        judgement: Mapping[str, Any],
        corrected: Mapping[int, str] | None = None,
        critiques: Mapping[int, str] | None = None,
    ) -> None:
        """Writes a verdict (a kind with its own fields, candidates by number) and what was written beside it, by
        candidate: edited answers, where they are changed, and critiques, where they say something.

        Raises InputError for fields that do not fit together or a task that the annotator has judged already,
        RunError where the disk is full."""
        if shown.task.id in self._judged_by(shown.annotator):
            raise InputError("was judged already", f"task of {shown.annotator}", "undo that verdict first")
        rows = [judgement]
        for number, text in (corrected or {}).items():
            if text.strip() and text != shown.task.candidates[number].text:
                rows.append({"kind": "correction", "candidate": number, "corrected": text})
        for number, text in (critiques or {}).items():
            if text.strip():
                rows.append({"kind": "critique", "candidate": number, "text": text})
        common = {
            "at": self.now(),
            "annotator": shown.annotator,
            "seconds": round(max(0.0, seconds), 3),
            "prompt": shown.task.prompt,
            "candidates": shown.task.candidates,
            "order": shown.order,
        }
        self.log.append([parse_event({**common, **row, "id": uuid4().hex}, "verdict") for row in rows])
        self._held.pop(shown.annotator, None)

    def undo(self, annotator: str) -> Shown | None:
        """Takes the annotator's last verdict back, with what was written beside it, and shows the task again; None
        where there is none."""
        own = [
            event
            for event in self._standing()
            if event.annotator == annotator and self._unit(event) in self.tasks
        ]
        if not own:
            return None
        last = own[-1]
        beside = [event for event in own if event.at == last.at]
        self.log.append(
            [Undo(id=uuid4().hex, at=self.now(), annotator=annotator, undoes=event.id) for event in beside]
        )
        return self._show(self.tasks[unit(last)], annotator)

    def progress(self, annotator: str) -> Progress:
        return Progress(len(self._judged_by(annotator)), len(self._open(annotator)))

    def summary(self) -> dict[str, Any]:
        """Counts by kind and by annotator, and the agreement, of the verdicts on these tasks that stand."""
        events = [event for event in self._standing() if self._unit(event) in self.tasks]
        found = agreement(events, self.settings.seed)
        return {
            "tasks": len(self.tasks),
            "judged": len({self._unit(event) for event in events if not isinstance(event, Skip)}),
            "kinds": dict(Counter(event.kind for event in events)),
            "annotators": dict(Counter(event.annotator for event in events)),
            "agreement": {kind: one._asdict() for kind, one in found.items()},
        }

    @cached_property
    def _shared(self) -> set[str]:
        """The tasks that everybody is asked."""
        drawn = sorted(self.tasks, key=lambda task: digest_json([self.settings.seed, task]))
        return set(drawn[: round(self.settings.overlap * len(drawn))])

    def _show(self, task: Task, annotator: str) -> Shown:
        """The same annotator always sees a task in the same order, others in others."""
        self._held[annotator] = task.id
        order = list(range(len(task.candidates)))
        random.Random(f"{self.settings.seed} {annotator} {task.id}").shuffle(order)
        return Shown(task, annotator, tuple(order))

    def _unit(self, event: Verdict) -> str:
        if event.id not in self._units:
            self._units[event.id] = unit(event)
        return self._units[event.id]

    def _standing(self) -> list[Verdict]:
        self.log.refresh()
        return standing(self.log.events)

    def _judged_by(self, annotator: str) -> set[str]:
        return {
            self._unit(event) for event in self._standing() if event.annotator == annotator
        } & self.tasks.keys()

    def _open(self, annotator: str) -> list[Task]:
        own, settled = set(), set()
        for event in self._standing():
            if event.annotator == annotator:
                own.add(self._unit(event))
            elif not isinstance(event, Skip):
                settled.add(self._unit(event))
        return [
            task
            for name, task in self.tasks.items()
            if name not in own and (name in self._shared or name not in settled)
        ]
