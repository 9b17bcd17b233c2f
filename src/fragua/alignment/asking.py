"""Where a policy's prompts come from: a file, or a world and its abilities."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from fragua.alignment.feedback.tasks import read_prompts
from fragua.alignment.gold import practice_items
from fragua.alignment.multistep import MULTISTEP, multistep_items
from fragua.alignment.rollouts import Question
from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.exam import ExamItem, read_exam
from fragua.corpus.aldea.world import build_world
from fragua.errors import InputError
from fragua.files import read_jsonl

TRIES = 20
"""A world is asked for so many times the questions wanted, before fewer have to do."""


def file_questions(path: Path) -> list[Question]:
    """Questions with their graders, as `exam.jsonl` has them, or prompts alone. Raises InputError for anything else."""
    if path.suffix == ".jsonl" and (first := next(read_jsonl(path), None)) and "grader" in first[1]:
        return [Question(tuple(item.messages), item) for item in read_exam(str(path))]
    return [Question(prompt) for prompt in read_prompts(path)]


def world_questions(world: int, seed: int, count: int, abilities: tuple[str, ...] = ()) -> list[Question]:
    """`count` different questions that an exam never asks; fewer where the abilities have no more.

    Raises InputError for an ability that is not known."""
    for name in abilities:
        if name not in (*ABILITIES, MULTISTEP):
            raise InputError(
                f"no ability '{name}'", "--ability", f"known: {', '.join([*ABILITIES, MULTISTEP])}"
            )
    found: dict[str, Question] = {}
    for item in islice(_items(world, seed, abilities), TRIES * count):
        found.setdefault(item.thread, Question(tuple(item.messages), item))
        if len(found) == count:
            break
    return list(found.values())


def _items(world: int, seed: int, abilities: tuple[str, ...]) -> Iterator[ExamItem]:
    """Those of Aldea and those of several steps by turns, where both are asked for."""
    others = [name for name in abilities if name != MULTISTEP]
    several = multistep_items(seed) if MULTISTEP in abilities else None
    practice = practice_items(build_world(world), seed, others) if others or several is None else None
    while True:
        if practice is not None:
            yield next(practice)
        if several is not None:
            yield next(several)
