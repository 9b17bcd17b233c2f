"""A conversation goes on about the same text or pattern; its further answers are right, and the exam has none."""

from __future__ import annotations

import random
import re

import pytest

from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.abilities.few_shot import PATTERNS
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.entities import LANGS, World
from fragua.corpus.aldea.graders.text import has, normal, without_courtesy
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.telling import Decks
from fragua.corpus.aldea.world import build_world
from fragua.corpus.aldea.write import conversation_rows

GOES_ON = ("passages", "missing", "sources", "few_shot", "topic", "sentiment", "stories")


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(4)


def asked(world: World, family: str, lang: str, for_exam: bool = False, count: int = 200) -> list[Task]:
    rng = random.Random(f"{family} {lang} {for_exam}")
    asker = Asker(world, rng, lang, for_exam, Decks(world, rng))
    found = (ABILITIES[family].task(asker) for _ in range(count))
    return [task for task in found if task is not None]


@pytest.mark.parametrize("family", ABILITIES)
def test_only_conversations_go_on(world: World, family: str) -> None:
    assert not any(task.further for lang in LANGS for task in asked(world, family, lang, True, 60))
    goes_on = any(task.further for lang in LANGS for task in asked(world, family, lang, False, 60))
    assert goes_on == (family in GOES_ON)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("family", ["passages", "missing", "sources"])
def test_a_passage_is_asked_about_again(world: World, family: str, lang: str) -> None:
    kinds = {"quoted": 0, "unsaid": 0, "said": 0}
    for task in asked(world, family, lang):
        assert 1 <= len(task.further) <= 2
        for question, answer in task.further:
            assert question not in task.request
            if quotation := re.search('[«"](.+)[»"]', answer):
                kinds["quoted"] += 1
                assert quotation[1] in task.request
            elif answer.startswith(("El texto no dice", "The text does not say")):
                kinds["unsaid"] += 1
            else:
                kinds["said"] += 1
                assert has(normal(task.request), normal(answer).split()[-1])
    assert kinds["said"] > kinds["quoted"] > 0.5 * kinds["unsaid"] > 10, kinds


@pytest.mark.parametrize("lang", LANGS)
def test_a_pattern_goes_on(world: World, lang: str) -> None:
    seen = set()
    for task in asked(world, "few_shot", lang, count=400):
        (name,) = task.tags
        seen.add(name)
        assert 2 <= len(task.further) <= 3
        for case, answer in task.further:
            left = re.split(" ?(?:→|:|=|->|-)$", case)[0]
            if name == "looked_up":
                assert re.search(f"{left}[^\n.]*{answer}", task.request)
            elif name == "sorted":
                assert answer in task.request and left not in task.request
            elif name == "counted":
                assert int(answer) - int(left) in (1, -1, 10)
            elif name in ("marked", "doubled"):
                assert left in answer and answer != left
    assert seen == set(PATTERNS)


@pytest.mark.parametrize("lang", LANGS)
def test_the_other_of_two_speakers_is_asked_for(world: World, lang: str) -> None:
    for family in ("topic", "sentiment"):
        tasks = [task for task in asked(world, family, lang) if task.further]
        assert tasks
        for task in tasks:
            ((_, answer),) = task.further
            assert answer != task.answer and answer.rstrip(".") in task.request


@pytest.mark.parametrize("lang", LANGS)
def test_a_story_is_told_again_in_another_style(world: World, lang: str) -> None:
    styles = table("stories.toml")["styles"]
    for task in asked(world, "stories", lang):
        ((request, story),) = task.further
        (other,) = (name for name, row in styles.items() if any(x in request for x in row[lang]))
        assert [other] != task.tags
        assert any(has(normal(story), mark) for mark in styles[other][f"marks_{lang}"]), (request, story)


def test_conversations_that_go_on_stay_short(world: World) -> None:
    rows = list(conversation_rows(world, 3000))
    longest = max(len("".join(message["content"] for message in row["messages"])) for row in rows)
    more = [row for row in rows if row["ability"] in GOES_ON and len(row["messages"]) > 2]
    assert len(more) > 300 and longest < 900
    opened = sum(
        without_courtesy(row["messages"][-1]["content"]) != row["messages"][-1]["content"] for row in more
    )
    assert 0.1 < opened / len(more) < 0.5
