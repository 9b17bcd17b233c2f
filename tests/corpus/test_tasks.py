"""Tasks that the prompt sets: the right reply passes, any other item's fails, and the exam's material is new."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.asking import COURTESY, Asker, ExamItem, Task, assistant, user
from fragua.corpus.aldea.entities import LANGS, World
from fragua.corpus.aldea.exam import grade, item_from_json, item_to_json
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.small_python import ProgramError, call, read_function
from fragua.corpus.aldea.telling import Decks
from fragua.corpus.aldea.world import build_world
from fragua.evaluation.declared import declared_tools

TASKS = (
    "tools",
    "constraints",
    "few_shot",
    "steps",
    "correcting",
    "rewriting",
    "drafting",
    "stories",
    "functions",
)
EACH = 60


@pytest.fixture(scope="module", params=[3, 11])
def world(request: pytest.FixtureRequest) -> World:
    return build_world(request.param)


def examined(world: World, family: str, lang: str, count: int = EACH) -> list[ExamItem]:
    rng = random.Random(f"{family} {lang}")
    asker = Asker(world, rng, lang, True, Decks(world, rng))
    found = (ABILITIES[family].task(asker) for _ in range(12 * count))
    return [task.item(family, lang) for task in found if task is not None][:count]


def taught(world: World, family: str, lang: str, count: int = 400) -> list[Task]:
    rng = random.Random(f"{family} {lang}")
    asker = Asker(world, rng, lang, False, Decks(world, rng))
    found = (ABILITIES[family].task(asker) for _ in range(count))
    return [task for task in found if task is not None]


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("family", TASKS)
def test_only_the_reply_to_this_item_passes(world: World, family: str, lang: str) -> None:
    items = examined(world, family, lang)
    assert len(items) == EACH
    others = 0
    for item in items:
        assert grade(item, item.gold), (item.question, item.gold, grade(item, item.gold).why)
        assert not grade(item, []) and not grade(item, [assistant("")]) and not grade(item, [user("x")])
        assert not grade(item, [assistant(item.question)]), item.question
        others += sum(bool(grade(item, other.gold)) for other in items if other.gold != item.gold)
    assert others <= 0.02 * EACH * EACH, "good answers to other items pass"
    assert [item_from_json(item_to_json(item)) for item in items] == items


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("family", TASKS)
def test_the_exam_sets_no_task_that_training_set(world: World, family: str, lang: str) -> None:
    asked = {task.request for task in taught(world, family, lang)}
    assert len(asked) > 200
    assert asked.isdisjoint(item.question for item in examined(world, family, lang))


@pytest.mark.parametrize("lang", LANGS)
def test_names_of_tools_and_functions_are_new_in_the_exam(world: World, lang: str) -> None:
    def tool_names(tools: list[dict[str, Any]]) -> set[str]:
        return {tool["function"]["name"] for tool in tools}

    shown = set().union(*(tool_names(each.tools) for each in taught(world, "tools", lang)))
    examined_names = set().union(*(tool_names(item.tools) for item in examined(world, "tools", lang)))
    assert len(shown) > 200 and len(examined_names) > 40 and shown.isdisjoint(examined_names)
    written = [str(task.answer) for task in taught(world, "functions", lang)]
    named = {read_function(text).name for text in written if text.startswith("def ")}
    asked = {item.spec["name"] for item in examined(world, "functions", lang) if "name" in item.spec}
    assert len(named) > 200 and named.isdisjoint(asked)


def test_a_declared_tool_answers_the_right_call_only(world: World) -> None:
    item = next(item for item in examined(world, "tools", "es") if len(item.tools) == 2)
    tools = {tool.name: tool for tool in declared_tools(item) or ()}
    right = tools.pop(item.spec["name"])
    assert right.call(item.spec["arguments"]) == item.spec["result"]
    (distractor,) = tools.values()
    for tool, arguments in ((right, {}), (right, {"x": "y"}), (distractor, item.spec["arguments"])):
        with pytest.raises(ValueError, match="nothing found"):
            tool.call(arguments)
    assert declared_tools(examined(world, "steps", "es", 1)[0]) is None


def test_a_call_of_another_name_or_with_other_arguments_fails(world: World) -> None:
    for item in examined(world, "tools", "en", 20):
        message, result, said = item.gold
        function = message["tool_calls"][0]["function"]
        for wrong in (
            {**function, "name": function["name"] + "x"},
            {**function, "arguments": dict.fromkeys(function["arguments"], "nothing")},
            {**function, "arguments": {**function["arguments"], "more": "x"}},
            {**function, "arguments": "{not JSON"},
        ):
            spoilt = {**message, "tool_calls": [{"type": "function", "function": wrong}]}
            assert not grade(item, [spoilt, result, said])
        assert not grade(item, [message, result]) and not grade(item, [said])


@pytest.mark.parametrize("row", table("functions.toml")["rows"], ids=lambda row: row[3])
def test_the_evaluator_agrees_with_python(row: list[str]) -> None:
    kinds, _, _, expression = row
    params = table("functions.toml")["params"][kinds][0]
    body = expression.replace("{a}", params[0]).replace("{b}", params[-1])
    function = read_function(f"def f({', '.join(params)}):\n    return {body}")
    for args in table("functions.toml")["tests"][kinds]:
        try:
            expected = eval(body, {}, dict(zip(params, args, strict=True)))
        except IndexError:
            with pytest.raises(ProgramError):
                call(function, args)
        else:
            assert call(function, args) == expected


@pytest.mark.parametrize(
    "body",
    [
        "return __import__('os')",
        "return x.__class__",
        "return 9 ** 9 ** 9",
        "return 'a' * 10 ** 9",
        "return [x, [x]]",
        "return open('x')",
        "return (lambda: x)()",
        "while True: pass",
        "return f(x)",
        "return '%999999999d' % x",
        "return x[0]",
        "return 1 // 0",
        "import os",
        "return missing",
        "return " + "-" * 500 + "x",
    ],
)
def test_a_program_cannot_leave_its_fence(body: str) -> None:
    with pytest.raises(ProgramError):
        call(read_function(f"def f(x):\n    {body}"), [1])


@given(st.text(alphabet="def(x):\n return+-*/[]'=<>10,if else", max_size=80))
def test_whatever_is_written_ends_in_a_value_or_a_typed_error(text: str) -> None:
    for source in (text, f"def f(x):\n    return {text}"):
        try:
            function = read_function(source)
            call(function, [2] * len(function.params))
        except ProgramError:
            continue


def test_statements_run_as_they_read() -> None:
    source = 'def f(n):\n    "Doc."\n    m = n + 1\n    if m > 3 and not n == 9:\n        return "big"\n    return m'
    assert [call(read_function(source), [n]) for n in (1, 5, 9)] == [2, "big", 10]
    assert call(read_function("def f(a):\n    b = a"), [1]) is None


def test_a_story_that_contradicts_the_valley_fails(world: World) -> None:
    item = next(i for i in examined(world, "stories", "es") if i.gold and grade(i, i.gold))
    told = item.gold[0]["content"]
    person = next(p for p in world.of_kind("person") if p.es.full not in told)
    home = world.find(person, "lives_in")
    elsewhere = next(v for v in world.of_kind("village") if v is not home)
    assert home is not None
    assert grade(item, [assistant(f"{told} {person.es.full} vive en {home.es.full}.")])
    assert not grade(item, [assistant(f"{told} {person.es.full} vive en {elsewhere.es.full}.")])


POLITE = [name for name, ability in ABILITIES.items() if ability.courteous]


@pytest.mark.parametrize("name", POLITE)
def test_a_courtesy_before_it_leaves_an_answer_right(world: World, name: str) -> None:
    """Else gold could not like a courtesy without disliking what follows it."""
    rng = random.Random(0)
    decks = Decks(world, rng)
    right = []
    for lang in LANGS:
        asker = Asker(world, rng, lang, for_exam=False, decks=decks)
        tasks = [task for _ in range(60) if (task := ABILITIES[name].task(asker)) is not None]
        for task, opener in itertools.product(tasks[:20], COURTESY[lang]):
            said = [*task.reply[:-1], assistant(f"{opener} {task.reply[-1]['content']}")]
            right.append(bool(grade(task.item(name, lang), said)))
    assert all(right)
