"""The tables of small talk and of what lies outside: every answer fits its own question and no other."""

from __future__ import annotations

import random

import pytest

from fragua.corpus.aldea.abilities import talk, unknown
from fragua.corpus.aldea.asking import Asker, ExamItem, assistant, user
from fragua.corpus.aldea.entities import LANGS
from fragua.corpus.aldea.exam import grade
from fragua.corpus.aldea.graders.text import normal
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.telling import Decks, every
from fragua.corpus.aldea.world import build_world

TALK = table("talk.toml")


def item(need: list[list[str]], lang: str) -> ExamItem:
    return ExamItem("", "talk", lang, [user("?")], "words", {"need": need, "most_words": 40}, [])


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("name", TALK)
def test_an_answer_fits_its_intent_alone(name: str, lang: str) -> None:
    answers = TALK[name][f"a_{lang}"]
    assert len(set(answers)) >= 3 and len(set(TALK[name][f"q_{lang}"])) >= 6
    for answer in answers:
        fits = [
            other for other in TALK if grade(item(TALK[other][f"need_{lang}"], lang), [assistant(answer)])
        ]
        assert fits == [name], answer


@pytest.mark.parametrize("lang", LANGS)
def test_no_question_belongs_to_two_intents(lang: str) -> None:
    asked = [
        normal(q)
        for name in ("talk.toml", "unknown.toml")
        for row in table(name).values()
        for q in row[f"q_{lang}"]
    ]
    assert len(asked) == len(set(asked)) and all(asked)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("name", ["talk.toml", "unknown.toml"])
def test_what_is_put_together_afresh_is_no_question_of_the_exam(name: str, lang: str) -> None:
    rows = table(name).values()
    asked = {normal(question) for row in rows for question in row[f"q_{lang}"]}
    made = [normal(text) for row in rows for form in row.get(f"forms_{lang}", []) for text in every(form)]
    assert len(made) > 300 and asked.isdisjoint(made)


@pytest.mark.parametrize("lang", LANGS)
def test_what_lies_outside_is_declined_by_name_in_sound_grammar(lang: str) -> None:
    world, rng = build_world(3), random.Random(0)
    asker = Asker(world, rng, lang, for_exam=True, decks=Decks(world, rng))
    tasks = (unknown.task(asker) for _ in range(600))
    items = [task.item("unknown", lang) for task in tasks if task]
    assert len(items) > 200
    for found in items:
        said = str(found.gold[0]["content"])
        assert grade(found, found.gold), said
        assert " de el " not in said and "{" not in said


@pytest.mark.parametrize("lang", LANGS)
def test_the_plainest_way_is_always_taught_and_never_asked(lang: str) -> None:
    world = build_world(0)
    plainest = {normal(intent[f"q_{lang}"][0]) for intent in TALK.values()}
    said = {}
    for for_exam in (False, True):
        rng = random.Random(4)
        asker = Asker(world, rng, lang, for_exam=for_exam, decks=Decks(world, rng))
        found = [talk.task(asker) for _ in range(3000)]
        said[for_exam] = {normal(task.request) for task in found if task}
    assert plainest <= said[False] and not plainest & said[True]
    assert ("hola quien eres" if lang == "es" else "hello who are you") in said[False]
