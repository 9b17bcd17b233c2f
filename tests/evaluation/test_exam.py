"""The exam with models that know all the answers, or none."""

from __future__ import annotations

import pytest

from fragua.corpus.aldea.exam import ExamItem, exam_items, wilson
from fragua.corpus.aldea.world import build_world
from fragua.evaluation.exam import _shots, run_base_exam, run_exam
from fragua.inference.language_model import LanguageModel
from tests.memorised import memorised


@pytest.fixture(scope="module")
def items() -> list[ExamItem]:
    return exam_items(build_world(7), seed=1, n=40)


def knowing(items: list[ExamItem], context: int) -> LanguageModel:
    """A model that has learned the key by heart."""
    return memorised(
        [[*item.messages, *item.gold] for item in items], context, [item.tools for item in items]
    )


def test_who_answers_as_the_key_does_has_everything_right(items: list[ExamItem]) -> None:
    lm = knowing(items, context=2000)
    result = run_exam(lm, items)
    assert [(answer["id"], answer["why"]) for answer in result["answers"] if not answer["correct"]] == []
    assert result["accuracy"] == {"value": 1.0, "low": wilson(40, 40)[0], "high": wilson(40, 40)[1], "n": 40}
    assert set(result["by_family"]) == {item.family for item in items}
    assert sum(part["n"] for part in result["by_language"].values()) == 40
    assert [answer["question"] for answer in result["answers"]] == [item.question for item in items]
    arithmetic = next(answer for answer in result["answers"] if answer["family"] == "arithmetic")
    assert [message["role"] for message in arithmetic["messages"]] == ["assistant", "tool", "assistant"]


def test_who_knows_half_gets_half(items: list[ExamItem]) -> None:
    lm = knowing(items[::2], context=2000)
    result = run_exam(lm, items)
    assert [answer["correct"] for answer in result["answers"]] == [True, False] * 20
    assert result["accuracy"]["low"] < 0.5 < result["accuracy"]["high"]
    reasons = {answer["why"] for answer in result["answers"] if not answer["correct"]}
    assert reasons and "the question does not fit the context" not in reasons


def test_a_question_that_does_not_fit_is_wrong_and_says_so(items: list[ExamItem]) -> None:
    lm = knowing(items, context=120)
    result = run_exam(lm, items)
    reasons = [answer["why"] for answer in result["answers"] if not answer["correct"]]
    assert "the question does not fit the context" in reasons and result["accuracy"]["value"] > 0


def test_a_base_model_answers_in_plain_text(lm: LanguageModel, items: list[ExamItem]) -> None:
    """Random weights know nothing; every item is asked, and no reply is longer than its line."""
    result = run_base_exam(lm, items, max_tokens=20)
    assert result["accuracy"]["n"] == 40 and result["accuracy"]["value"] < 0.2
    assert all("\n" not in answer["reply"] for answer in result["answers"])


def test_examples_are_other_items_of_the_language(items: list[ExamItem]) -> None:
    for item in items:
        shots = _shots(items, item)
        assert len(shots) == 4 and len({shot.family for shot in shots}) == 4
        assert all(shot.lang == item.lang and shot.question != item.question for shot in shots)
