"""What a person would lose: an exam that a trick passes, and nobody notices."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.asking import assistant, user
from fragua.corpus.aldea.exam import ExamItem, exam_items
from fragua.corpus.aldea.world import build_world
from fragua.corpus.aldea.write import conversation_rows
from fragua.corpus.conversations import Conversation
from fragua.evaluation.controls import constant, controls, echo, exchanges, neighbour
from fragua.evaluation.exam import share, shares
from fragua.evaluation.nearest import Nearest, _codes, _written

WORLD = 7


@pytest.fixture(scope="module")
def items() -> list[ExamItem]:
    return exam_items(build_world(WORLD), seed=1, n=8 * len(ABILITIES))


def test_who_has_learned_nothing_gets_little(items: list[ExamItem]) -> None:
    rows = conversation_rows(build_world(WORLD), 4000)
    found = controls(items, (Conversation.model_validate(row) for row in rows))
    assert found["echo"]["accuracy"]["value"] == 0
    assert found["constant"]["accuracy"]["value"] < 0.1
    assert found["neighbour"]["accuracy"]["value"] < 0.3
    assert set(found["neighbour"]["by_family"]) == set(ABILITIES)


def test_the_neighbour_answers_right_where_the_question_was_seen(items: list[ExamItem]) -> None:
    """So that its low share on a fair exam says something about the exam."""
    told = [Conversation(messages=[*item.messages, *item.gold]) for item in items]
    rows = neighbour(items, told)
    assert sum(row["correct"] for row in rows) / len(rows) > 0.97
    assert not any(row["correct"] for row in neighbour(items, []))


def test_a_constant_answer_is_not_credited_with_its_own_question(items: list[ExamItem]) -> None:
    alike = ExamItem("1", "f", "es", [user("¿Dónde?")], "answer", {"accept": ["Corsol"], "reject": []}, [])
    alike.gold.append(assistant("En Corsol."))
    other = ExamItem("2", "f", "es", [user("¿Y ella?")], "answer", {"accept": ["Rima"], "reject": []}, [])
    other.gold.append(assistant("En Rima."))
    assert [row["correct"] for row in constant([alike, other])] == [False]
    assert [row["correct"] for row in constant([alike, replace(alike, id="3"), other])].count(True) == 1
    counts = Counter((row["family"], row["lang"]) for row in constant(items))
    assert set(counts.values()) == {3}, "four questions of each family and language, less its own"


def test_shares_divide_by_kind_family_and_language(items: list[ExamItem]) -> None:
    rows = echo(items)
    for row in rows:
        row["correct"] = row["kind"] == "knowledge" and row["lang"] == "es"
    found = shares(rows)
    assert found["by_kind"]["ability"]["value"] == 0 and found["by_kind"]["knowledge"]["value"] == 0.5
    assert found["by_family_and_language"]["facts"]["es"]["value"] == 1
    assert found["by_family"]["facts"] == share([row for row in rows if row["family"] == "facts"])
    assert sum(part["n"] for part in found["by_kind"].values()) == found["accuracy"]["n"] == len(items)


def test_exchanges_are_questions_with_all_that_answers_them() -> None:
    call = {"role": "assistant", "content": "", "tool_calls": []}
    messages = [
        {"role": "system", "content": "s"},
        user("a"),
        call,
        {"role": "tool", "content": "4"},
        assistant("b"),
        user("c"),
        assistant("d"),
        user("e"),
    ]
    assert exchanges(messages) == [(messages[:2], messages[2:5]), (messages[:6], messages[6:7])]


@given(st.lists(st.text("abc ", min_size=4, max_size=20), min_size=1, max_size=20), st.data())
def test_a_text_is_its_own_nearest(texts: list[str], data: st.DataObject) -> None:
    wanted = data.draw(st.sampled_from(texts))
    others = [*texts, *["xyz"] * 100]
    found = others[Nearest(others).find(wanted)]
    assert set(_codes(_written(found))) == set(_codes(_written(wanted)))
