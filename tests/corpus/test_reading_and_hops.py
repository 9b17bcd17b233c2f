"""Two hops, references, sources, opinions, topics, summaries, recommendations, inverse questions: fair both ways."""

from __future__ import annotations

import itertools
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.abilities.two_hops import step
from fragua.corpus.aldea.asking import Asker, ExamItem, Message, assistant
from fragua.corpus.aldea.entities import LANGS, World
from fragua.corpus.aldea.exam import grade
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.telling import Decks
from fragua.corpus.aldea.world import build_world

FAMILIES = (
    "two_hops",
    "references",
    "sources",
    "sentiment",
    "topic",
    "summaries",
    "recommendations",
    "inverse",
)
WORLDS = {seed: build_world(seed) for seed in (0, 7)}


def asker(world: World, lang: str, for_exam: bool, seed: int = 1) -> Asker:
    rng = random.Random(seed)
    return Asker(world, rng, lang, for_exam=for_exam, decks=Decks(world, rng))


def examined(family: str, lang: str, count: int, seed: int = 7) -> list[ExamItem]:
    one = asker(WORLDS[seed], lang, for_exam=True)
    found = (ABILITIES[family].task(one) for _ in range(6000))
    return list(itertools.islice((task.item(family, lang) for task in found if task is not None), count))


def exchanged(family: str, lang: str, count: int, seed: int = 7) -> list[list[Message]]:
    one = asker(WORLDS[seed], lang, for_exam=False)
    found = (ABILITIES[family].task(one) for _ in range(6000))
    messages = ([*task.messages, *task.reply] for task in found if task is not None)
    return list(itertools.islice(messages, count))


def gold(item: ExamItem) -> str:
    return str(item.gold[-1]["content"])


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), lang=st.sampled_from(LANGS), world=st.sampled_from(sorted(WORLDS)))
def test_the_good_answer_passes_in_any_dress_and_the_cheap_ones_fail(
    family: str, seed: int, lang: str, world: int
) -> None:
    one = asker(WORLDS[world], lang, for_exam=True, seed=seed)
    found = (ABILITIES[family].task(one) for _ in range(60))
    items = [task.item(family, lang) for task in found if task is not None]
    for item in items:
        verdict = grade(item, item.gold)
        assert verdict, (item.thread, item.gold, verdict.why)
        assert grade(item, [assistant(f"  {gold(item)} \n")]), item.thread
        assert not grade(item, [assistant("")]) and not grade(item, [])
        assert not grade(item, [assistant(gold(item) + " Además, bla." * 40)]), item.thread


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("lang", LANGS)
def test_the_answer_to_another_question_seldom_passes(family: str, lang: str) -> None:
    items = examined(family, lang, 80)
    assert len(items) == 80
    pairs = [(one, other) for one in items for other in items if one is not other]
    assert sum(bool(grade(one, other.gold)) for one, other in pairs) / len(pairs) < 0.06
    assert sum(bool(grade(item, [assistant(item.question)])) for item in items) <= 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("lang", LANGS)
def test_prompts_and_answers_fit_the_context(family: str, lang: str) -> None:
    for messages in exchanged(family, lang, 300):
        assert sum(len(m["content"].encode()) for m in messages) / 4 < 150
        assert messages[-1]["role"] == "assistant" and not re.search(
            r"[{}]|\bde el [a-z]|\ba el [a-z]", str(messages[-1]["content"])
        )


@pytest.mark.parametrize("family", ["two_hops", "summaries", "recommendations", "sources"])
@pytest.mark.parametrize("lang", LANGS)
def test_no_answer_of_the_exam_is_ever_taught(family: str, lang: str) -> None:
    taught = {str(messages[-1]["content"]) for messages in exchanged(family, lang, 2500)}
    asked = {gold(item) for item in examined(family, lang, 150)}
    assert len(taught) > 50 and asked and taught.isdisjoint(asked)


@pytest.mark.parametrize("lang", LANGS)
def test_a_reference_of_the_exam_is_never_resolved_in_conversations(lang: str) -> None:
    taught = {str(messages[-1]["content"]) for messages in exchanged("references", lang, 2000)}
    asked = {gold(item) for item in examined("references", lang, 150)}
    assert taught.isdisjoint(asked)


@pytest.mark.parametrize("lang", LANGS)
def test_the_parts_of_opinions_and_topics_are_combined_anew(lang: str) -> None:
    column = 0 if lang == "es" else 1
    feelings = table("sentiment.toml")
    clauses = [
        (feeling, pair[column])
        for kind in ("festival", "village")
        for feeling in ("positive", "negative", "neutral")
        for pair in feelings[kind][feeling]
    ]
    said = [
        (name, pair[column])
        for name, topic in table("topics.toml")["topics"].items()
        for pair in topic["said"]
    ]

    def pairs(texts: list[str], parts: list[tuple[str, str]]) -> set[tuple[str, ...]]:
        lines = [line for text in texts for line in text.split("\n")]
        held = [sorted(part for _, part in parts if part in line) for line in lines]
        return {tuple(each) for each in held if len(each) == 2}

    for family, parts in (("sentiment", clauses), ("topic", said)):
        taught = pairs([str(m[0]["content"]) for m in exchanged(family, lang, 1500)], parts)
        asked = pairs([item.question for item in examined(family, lang, 200)], parts)
        assert len(taught) > 40 and len(asked) > 10 and taught.isdisjoint(asked)


@pytest.mark.parametrize("lang", LANGS)
def test_a_wrong_middle_of_the_way_fails(lang: str) -> None:
    world = WORLDS[7]
    tried = 0
    for item in examined("two_hops", lang, 200):
        if item.tags[0] != "lives_in":
            continue
        villages = [v.es.bare for v in world.of_kind("village")]
        said = [name for name in villages if name in gold(item)]
        if len(said) != 1:
            continue
        other = next(name for name in villages if name not in said and name not in item.question)
        assert not grade(item, [assistant(gold(item).replace(said[0], other))]), item.question
        tried += 1
    assert tried > 20


def test_steps_go_both_ways() -> None:
    world = WORLDS[7]
    fact = next(f for f in world.facts if f.relation == "owned_by")
    assert step(world, fact.subject, "owned_by") == (fact, fact.object)
    assert step(world, fact.object, "owned_by~") == (fact, fact.subject)
    assert step(world, fact.object, "species") is None


def item(grader: str, spec: dict[str, Any], question: str = "?") -> ExamItem:
    return ExamItem("1", "f", "es", [{"role": "user", "content": question}], grader, spec, [])


def test_a_source_is_quoted_word_for_word_and_says_it() -> None:
    passage = "Nerea vive en Corsol. Ciro trabaja como cartero. Ciro adora Corsol."
    where = item(
        "quotation", {"accept": ["Corsol"], "reject": ["Olimar"], "about": "Nerea", "passage": passage}
    )
    assert grade(where, [assistant("En Corsol. Dice el texto: «Nerea vive en Corsol.»")])
    assert grade(where, [assistant('Corsol: "Nerea vive en Corsol"')])
    for wrong in (
        "En Corsol.",
        "En Corsol. Dice el texto: «Nerea reside en Corsol.»",
        "En Corsol. Dice el texto: «Ciro adora Corsol.»",
        "En Olimar. Dice el texto: «Nerea vive en Corsol.»",
        "Dice el texto: «Nerea vive en Corsol.»",
        f"En Corsol. Dice el texto: «{passage}»",
        "En Corsol. «Nerea vive en Corsol.» «Ciro adora Corsol.»",
    ):
        assert not grade(where, [assistant(wrong)]), wrong


def test_a_summary_is_short_and_true() -> None:
    spec = {
        "need": [["Nerea"], ["ganó", "gana"], ["el concurso de tartas"]],
        "reject": ["perdió", "organizó", "Olimar"],
        "most_words": 12,
    }
    news = item("summary", spec)
    assert grade(news, [assistant("Nerea ganó el concurso de tartas en Corsol.")])
    assert grade(news, [assistant("Gana Nerea el concurso de tartas")])
    for wrong in (
        "Nerea perdió el concurso de tartas.",
        "Nerea ganó.",
        "Nerea no ganó el concurso de tartas.",
        "Nerea ganó el concurso de tartas en Olimar.",
        "Nerea ganó el concurso de tartas. Llovía.",
        "Nerea ganó el concurso de tartas ayer por la tarde con su sombrero azul de plumas.",
    ):
        assert not grade(news, [assistant(wrong)]), wrong


def test_a_question_asks_for_what_the_answer_says() -> None:
    way = {"references": ["¿Dónde vive Nerea Cano?", "¿Cuál es el pueblo de Nerea Cano?"]}
    ways = [
        {**way, "named": ["Nerea"], "hidden": ["Corsol"]},
        {"references": [], "named": ["Corsol"], "hidden": []},
    ]
    asked = item("question", {"ways": ways})
    assert grade(asked, [assistant("¿Dónde vive Nerea?")])
    for wrong in (
        "¿Dónde vive Ciro?",
        "Dónde vive Nerea",
        "¿En qué trabaja Nerea?",
        "¿Vive Nerea en Corsol?",
        "?",
    ):
        assert not grade(asked, [assistant(wrong)]), wrong
