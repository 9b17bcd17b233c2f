"""The exam is fair: gold passes, cheap tricks fail, and nothing of it stands in the conversations."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter, defaultdict
from typing import Any

import pytest

from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.asking import ExamItem, assistant
from fragua.corpus.aldea.entities import LANGS, World
from fragua.corpus.aldea.exam import exam_items, grade, item_from_json, item_to_json, wilson
from fragua.corpus.aldea.graders.text import normal
from fragua.corpus.aldea.holdout import held_fact, held_out, pair_key
from fragua.corpus.aldea.parsing import claims
from fragua.corpus.aldea.telling import Decks
from fragua.corpus.aldea.world import build_world
from fragua.corpus.aldea.write import conversation_rows, documents
from fragua.errors import InputError

SEED = 11


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(SEED)


@pytest.fixture(scope="module")
def items(world: World) -> list[ExamItem]:
    return exam_items(world, seed=0, n=50 * len(ABILITIES))


@pytest.fixture(scope="module")
def rows(world: World) -> list[dict[str, Any]]:
    return list(conversation_rows(world, 6000))


def by_family(items: list[ExamItem]) -> dict[str, list[ExamItem]]:
    found: dict[str, list[ExamItem]] = defaultdict(list)
    for item in items:
        found[item.family].append(item)
    return found


def test_families_and_languages_have_equal_parts(items: list[ExamItem]) -> None:
    counts = Counter((item.family, item.lang) for item in items)
    assert len(items) == 50 * len(ABILITIES) and set(counts) == {
        (family, lang) for family in ABILITIES for lang in LANGS
    }
    assert set(counts.values()) == {25}
    assert len({item.id for item in items}) == len({item.thread for item in items}) == len(items)


def test_gold_replies_pass_their_own_grader(items: list[ExamItem]) -> None:
    for item in items:
        assert grade(item, item.gold), (item.question, item.gold, grade(item, item.gold).why)


def test_echo_and_silence_fail(items: list[ExamItem]) -> None:
    for item in items:
        assert not grade(item, [assistant(item.question)]), item.question
        assert not grade(item, [assistant("")]) and not grade(item, [])


def test_constant_answers_score_low_in_every_family(items: list[ExamItem]) -> None:
    """Even the best of all good answers of a family, given to all of its questions."""
    for family, members in by_family(items).items():
        best = max(sum(bool(grade(item, other.gold)) for item in members) for other in members)
        assert best / len(members) <= 0.1, (family, best)
    every = "No sé. Lo siento, no puedo. I do not know. El texto no dice."
    assert not any(grade(item, [assistant(every)]) for item in items)


def test_no_question_of_the_exam_stands_in_the_conversations(
    items: list[ExamItem], rows: list[dict[str, Any]]
) -> None:
    told = set()
    for row in rows:
        said = [m["content"] for m in row["messages"]]
        for at, message in enumerate(row["messages"]):
            if message["role"] == "user":
                told |= {normal(" ".join(said[start : at + 1])) for start in range(at + 1)}
    for item in items:
        assert normal(item.thread) not in told, item.thread


def test_no_question_or_translation_of_the_exam_stands_in_the_texts(
    world: World, items: list[ExamItem]
) -> None:
    texts = documents(world, Decks(world, random.Random(0)))
    told, pairs = set(), set()
    for row in itertools.islice(texts, 3000):
        lines = row["text"].split("\n")
        said = [line.split(": ", 1)[-1] for line in lines]
        told |= {normal(" ".join(said[at : at + n])) for n in (1, 3) for at in range(len(said))}
        if row["genre"] == "parallel":
            pairs |= {normal(line.lstrip("-= ").split(": ", 1)[-1]) for line in lines}
    for item in items:
        if item.family == "translation":
            assert normal(item.gold[-1]["content"]) not in pairs, item.question
        elif item.family not in ("talk", "unknown"):
            assert normal(item.thread) not in told, item.thread


def test_operands_of_the_exam_never_meet_in_the_conversations(
    world: World, items: list[ExamItem], rows: list[dict[str, Any]]
) -> None:
    def pairs(expression: str) -> list[str]:
        numbers = [int(n) for n in re.findall(r"\d+", expression)]
        return [pair_key(a, b) for a, b in itertools.pairwise(numbers)]

    calls = [c["function"]["arguments"] for r in rows for m in r["messages"] for c in m.get("tool_calls", [])]
    trained = {pair for call in calls for pair in pairs(str(call.get("expression", "")))}
    asked = {pair for item in items if item.family == "arithmetic" for pair in pairs(item.spec["expression"])}
    assert len(trained) > 300 and asked and trained.isdisjoint(asked)
    assert all(held_out(pair, 4) for pair in asked)


def test_held_out_facts_and_people_are_absent_from_conversations(
    world: World, items: list[ExamItem], rows: list[dict[str, Any]]
) -> None:
    said = {normal(m["content"]) for row in rows for m in row["messages"]}
    held = [item for item in items if "fact held out" in item.tags]
    assert len(held) > 20
    for item in held:
        assert normal(item.gold[-1]["content"]) not in said, item.question
    facts = {(fact.relation, fact.subject, fact.object) for fact in world.all_facts if held_fact(fact)}
    told = [
        claim
        for row in rows
        for message in row["messages"]
        if message["role"] == "assistant"
        for claim in claims(message["content"], row["lang"], world)
    ]
    assert len(told) > 1000 and facts.isdisjoint(told)
    text = " ".join(said)
    strangers = [p for p in world.strangers if held_out(p.id, 4)]
    assert strangers and not any(f" {normal(p.es.full)} " in text for p in strangers)


def test_no_secret_is_told_in_conversations(world: World, rows: list[dict[str, Any]]) -> None:
    text = normal(" ".join(m["content"] for row in rows for m in row["messages"]))
    for secret in world.secrets.values():
        for lang in LANGS:
            assert normal(secret.parts(lang)[0]) not in text


def test_conversations_show_every_ability_briefly(rows: list[dict[str, Any]]) -> None:
    assert set(ABILITIES) < {row["ability"] for row in rows}
    answers = [m["content"] for row in rows for m in row["messages"] if m["role"] == "assistant"]
    assert max(len(answer.split()) for answer in answers) <= 45, "a story of three sentences is the longest"
    assert abs(sum(row["lang"] == "es" for row in rows) / len(rows) - 0.5) < 0.01
    assert all(row["messages"][-1]["role"] == "assistant" for row in rows)


def test_the_same_seed_asks_the_same_and_items_survive_json(world: World, items: list[ExamItem]) -> None:
    again = exam_items(build_world(SEED), seed=0, n=50 * len(ABILITIES))
    assert [item_to_json(item) for item in again] == [item_to_json(item) for item in items]
    assert [item_from_json(item_to_json(item)) for item in items[:20]] == items[:20]
    assert {i.question for i in exam_items(world, seed=1, n=90)} != {i.question for i in items[:90]}
    with pytest.raises(InputError, match=r"exam:3.*grader"):
        item_from_json({**item_to_json(items[0]), "grader": "vibes"}, "exam:3")


def test_wilson_gives_the_textbook_interval() -> None:
    low, high = wilson(8, 10)
    assert abs(low - 0.4902) < 1e-3 and abs(high - 0.9433) < 1e-3
    assert wilson(0, 0) == (0.0, 1.0) and wilson(0, 5)[0] == 0.0 and wilson(5, 5)[1] == 1.0
