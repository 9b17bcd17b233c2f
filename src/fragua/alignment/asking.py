"""Where a policy's prompts come from: a file, or a world and its abilities."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from fragua.alignment.feedback.tasks import read_prompts
from fragua.alignment.gold import practice_items
from fragua.alignment.multistep import MULTISTEP, multistep_items
from fragua.alignment.rewards import Part
from fragua.alignment.rollouts import MAX_TOKENS, Question
from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.exam import ExamItem, read_exam
from fragua.corpus.aldea.world import build_world
from fragua.errors import InputError
from fragua.files import digest_file, read_jsonl
from fragua.settings import Settings
from fragua.training.directory import weights_digest

TRIES = 20
"""A world is asked for so many times the questions wanted, before fewer have to do."""


class Asked(Settings):
    """A policy, what it is asked, and what its answers earn."""

    model: Path
    reward: tuple[str, ...] = Field(min_length=1)
    """See `rewards.Part.read`."""
    prompts: Path | None = None
    """A file of prompts, or of questions with their graders."""
    world: int | None = Field(default=None, ge=0)
    """Instead: the seed of a world that is asked about."""
    ability: tuple[str, ...] = ()
    """Of the world: what is asked; none: all that call no tool."""
    max_tokens: int = Field(default=MAX_TOKENS, gt=0)
    """The policy's own tokens of an answer."""
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.prompts is None) == (self.world is None):
            raise ValueError("prompts or world: exactly one of the two is needed")
        if self.ability and self.world is None:
            raise ValueError("ability is for a world, not for a file of prompts")
        return self

    @property
    def parts(self) -> list[Part]:
        return [Part.read(text) for text in self.reward]

    @property
    def judges(self) -> list[Path]:
        """The reward models that are asked."""
        return [folder for part in self.parts for folder in part.models()]

    def questions(self, count: int) -> list[Question]:
        """Those of the file, or `count` of the world's at most."""
        if self.prompts is not None:
            return file_questions(self.prompts)
        assert self.world is not None, "one of the two is given"
        return world_questions(self.world, self.seed, count, self.ability)

    def claimed(self) -> tuple[dict[str, Any], dict[str, str]]:
        """What `claim` notes: the settings without paths, and digests of what stands there.

        Raises InputError where nothing stands there."""
        data = {"model": weights_digest(self.model)}
        if self.judges:
            data["judges"] = "+".join(weights_digest(folder) for folder in self.judges)
        if self.prompts is not None:
            if not self.prompts.is_file():
                raise InputError("no such file", self.prompts)
            data["prompts"] = digest_file(self.prompts)
        return self.model_dump(mode="json", exclude={"model", "prompts"}), data


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
