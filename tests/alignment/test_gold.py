"""The gold labeller knows what is good, errs as often as it says, and asks nothing that an exam asks."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from fragua.alignment.audit import Duel, held_out_items
from fragua.alignment.examples import pairs
from fragua.alignment.feedback.events import examples, parse_event
from fragua.alignment.gold import (
    Asked,
    choose,
    gold_comparisons,
    gold_reward,
    marks,
    practice_items,
    told_apart,
)
from fragua.corpus.aldea.asking import COURTESY
from fragua.corpus.aldea.entities import World
from fragua.corpus.aldea.exam import ExamItem, exam_items
from fragua.corpus.aldea.world import build_world
from fragua.inference.language_model import LanguageModel


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(0)


@pytest.fixture(scope="module")
def items(world: World) -> list[ExamItem]:
    return list(islice(practice_items(world, 1), 300))


def test_the_good_answer_is_worth_more_than_a_wrong_one_a_longer_one_or_none(items: list[ExamItem]) -> None:
    for item in items:
        good = str(item.gold[-1]["content"])
        assert marks(item, good)["correctness"] == 1.0, item
        assert gold_reward(item, good) > gold_reward(item, "Zzz."), item
        assert gold_reward(item, good) > gold_reward(item, "")
    facts = [item for item in items if item.family == "facts"]
    polite = {"es": "Claro. ", "en": "Sure. "}
    for item in facts:
        good = str(item.gold[-1]["content"])
        assert marks(item, polite[item.lang] + good)["courtesy"] == 1.0
        for opener in (*COURTESY[item.lang], polite[item.lang].strip()):
            assert marks(item, f"{opener} {good}")["courtesy"] == 1.0
            assert marks(item, opener)["courtesy"] == marks(item, f"{opener} {opener}")["courtesy"] == 0.0
        assert marks(item, good + " " + good)["brevity"] < marks(item, good)["brevity"]


def test_an_answer_in_the_other_language_is_told(items: list[ExamItem]) -> None:
    other = {"es": "The mayor of the village lives near the river.", "en": "El alcalde vive cerca del río."}
    for item in items:
        if item.family == "facts":
            assert marks(item, other[item.lang])["language"] < 0.2


@pytest.mark.parametrize(("difference", "share"), [(0.0, 0.5), (1.0, 0.731), (-2.0, 0.119)])
def test_its_noise_is_bradley_and_terrys(difference: float, share: float) -> None:
    rng = random.Random(0)
    first = sum(choose((difference, 0.0), rng) == 0 for _ in range(20_000)) / 20_000
    assert first == pytest.approx(share, abs=0.01)


def test_answers_worth_the_same_are_not_compared(items: list[ExamItem]) -> None:
    item = next(item for item in items if item.family == "facts")
    good = str(item.gold[-1]["content"])
    told = told_apart(Asked(item, ("Zzz.", good, "Www.", f"{good} {good}")))
    assert told == {text: pytest.approx(gold_reward(item, text)) for text in ("Zzz.", good, f"{good} {good}")}


def test_practice_and_held_out_questions_never_meet_an_exam(world: World, items: list[ExamItem]) -> None:
    exam = exam_items(world, 0, 120)
    asked = {item.thread for item in exam}
    held_out = held_out_items(world, 5, 60, exam)
    assert not asked & {item.thread for item in (*items, *held_out)}
    assert not {item.thread for item in items} & {item.thread for item in held_out}


def test_equal_models_win_half_and_like_lengths_are_counted_apart(items: list[ExamItem]) -> None:
    good = [str(item.gold[-1]["content"]) for item in items]
    same = Duel.of(items, good, good).figures()
    assert same["win_rate"]["value"] == 0.5 and same["ties"] == 1.0
    padded = [f"{text} {text} {text}" for text in good]
    better = Duel.of(items, good, padded).figures()
    assert better["win_rate"]["value"] > 0.95
    assert better["win_rate_like_length"]["n"] < len(items)


def test_its_comparisons_are_events_that_teach_pairs(lm: LanguageModel, world: World) -> None:
    rows = [event.model_dump(mode="json") for event in gold_comparisons(lm, "ab" * 32, world, 6, 0)]
    again = [event.model_dump(mode="json") for event in gold_comparisons(lm, "ab" * 32, world, 6, 0)]
    assert [row | {"at": 0} for row in rows] == [row | {"at": 0} for row in again]
    taught = pairs(examples(parse_event(row, "log") for row in rows))
    assert len(taught) == sum(len(row["candidates"]) - 1 for row in rows)
