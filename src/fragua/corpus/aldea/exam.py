"""The exam of a world: held-out questions of every ability in both languages, graded by code."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields, replace
from typing import Any

from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.asking import Asker, ExamItem, Message, assistant
from fragua.corpus.aldea.entities import LANGS, World
from fragua.corpus.aldea.graders import GRADERS
from fragua.corpus.aldea.graders.text import Grade, final_text, without_courtesy
from fragua.corpus.aldea.telling import Decks
from fragua.errors import InputError
from fragua.files import read_jsonl

MOST_TRIES = 4000

__all__ = [
    "ExamItem",
    "Grade",
    "exam_items",
    "grade",
    "item_from_json",
    "item_to_json",
    "read_exam",
    "wilson",
]


def exam_items(world: World, seed: int, n: int, families: Sequence[str] = tuple(ABILITIES)) -> list[ExamItem]:
    """`n` different questions, spread evenly over families of abilities and languages, in a mixed order."""
    rng = random.Random(f"aldea exam {world.seed} {seed}")
    decks = Decks(world, rng)
    groups = [(family, lang) for family in families for lang in LANGS]
    items: list[ExamItem] = []
    asked: set[str] = set()
    for at, (family, lang) in enumerate(groups):
        wanted = n // len(groups) + (at < n % len(groups))
        asker = Asker(world, rng, lang, for_exam=True, decks=decks)
        group = _Group(max(1, wanted // 10))
        for _ in range(MOST_TRIES):
            if len(group.items) == wanted:
                break
            task = ABILITIES[family].task(asker)
            if task is None:
                continue
            item = task.item(family, lang)
            if item.thread in asked or grade(item, [assistant(item.question)]):
                continue
            if group.takes(item):
                asked.add(item.thread)
        items += [replace(item, id=f"{family}-{lang}-{at}") for at, item in enumerate(group.items, 1)]
    rng.shuffle(items)
    return items


class _Group:
    """The questions of a family in a language, of which no question's good answer serves more than `most`."""

    def __init__(self, most: int):
        self.items: list[ExamItem] = []
        self._most = most
        self._served: list[int] = []

    def takes(self, item: ExamItem) -> bool:
        """Adds the question, unless some good answer, its own or another's, would then serve too many."""
        served = [
            count + bool(grade(item, other.gold))
            for count, other in zip(self._served, self.items, strict=True)
        ]
        served.append(1 + sum(bool(grade(other, item.gold)) for other in self.items))
        if max(served) > self._most:
            return False
        self.items.append(item)
        self._served = served
        return True


def grade(item: ExamItem, reply_messages: list[Message]) -> Grade:
    """Whether the messages after the user's answer the item, and why (not). An opening courtesy is no part of what is
    asked for, where the ability lets one stand."""
    ability = ABILITIES.get(item.family)
    if ability is not None and ability.courteous and (said := final_text(reply_messages)):
        last = reply_messages[-1] | {"content": without_courtesy(said.strip())}
        reply_messages = [*reply_messages[:-1], last]
    return GRADERS[item.grader](item, reply_messages)


def item_to_json(item: ExamItem) -> dict[str, Any]:
    return asdict(item)


def item_from_json(row: dict[str, Any], place: str | None = None) -> ExamItem:
    """Raises InputError where a field is missing or the grader is unknown."""
    known = {each.name: each for each in fields(ExamItem)}
    missing = [name for name, each in known.items() if each.default_factory is MISSING and name not in row]
    if missing or row.keys() - known.keys():
        told = f"without {', '.join(missing)}" if missing else f"with {', '.join(row.keys() - known.keys())}"
        raise InputError(
            f"not a question of an exam: {told}", place, "make one: fragua corpus aldea --out DIR"
        )
    item = ExamItem(**row)
    if item.grader not in GRADERS:
        raise InputError(f"unknown grader '{item.grader}'", place, f"known: {', '.join(GRADERS)}")
    return item


def read_exam(path: str) -> list[ExamItem]:
    """The items of an `exam.jsonl`."""
    return [item_from_json(row, f"{path}:{number}") for number, row in read_jsonl(path)]


def wilson(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval for k successes of n (Wilson 1927); (0, 1) when n is 0."""
    if n == 0:
        return 0.0, 1.0
    share, zz = k / n, z * z
    centre = (share + zz / (2 * n)) / (1 + zz / n)
    half = z * math.sqrt(share * (1 - share) / n + zz / (4 * n * n)) / (1 + zz / n)
    return max(0.0, centre - half), min(1.0, centre + half)
