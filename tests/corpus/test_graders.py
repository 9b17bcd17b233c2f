"""Graders accept the right answer in any dress and refuse the wrong one."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fragua.corpus.aldea.abilities.arithmetic import reply
from fragua.corpus.aldea.asking import ExamItem, assistant, user
from fragua.corpus.aldea.exam import grade
from fragua.corpus.aldea.graders.text import normal
from fragua.corpus.aldea.graders.translation import token_f1

VILLAGES = ["Valdorra", "Peñaluna", "Corsol"]


def item(grader: str, spec: dict[str, Any], question: str = "¿Dónde vive Nerea?") -> ExamItem:
    return ExamItem("1", "f", "es", [user(question)], grader, spec, [])


WHERE = item("answer", {"accept": ["Peñaluna"], "reject": ["Valdorra", "Corsol"]})


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("Nerea vive en Peñaluna.", True),
        ("PENALUNA", True),
        ("En peñaluna, claro", True),
        ("Vive en Peñaluna o en Corsol.", False),
        ("Nerea vive en Valdorra.", False),
        ("No vive en Peñaluna.", False),
        ("No sé si en Peñaluna.", False),
        ("Peñalunas", False),
        ("", False),
        ("Peñaluna " * 80, False),
    ],
)
def test_an_answer_is_right_alone_and_wrong_in_company(said: str, right: bool) -> None:
    assert bool(grade(WHERE, [assistant(said)])) is right


def test_years_and_symbols_bear_no_second_guess() -> None:
    year = item("answer", {"accept": ["1524"], "reject": []}, "¿Cuándo se fundó Corsol?")
    assert grade(year, [assistant("Se fundó en 1524.")])
    assert not grade(year, [assistant("En 1524 o en 1525.")])
    oxygen = item("answer", {"accept": ["O"], "reject": ["Au", "C"]}, "¿Símbolo del oxígeno?")
    assert grade(oxygen, [assistant("El símbolo es O.")])
    assert not grade(oxygen, [assistant("oro o plata")]) and not grade(oxygen, [assistant("O, C")])


@given(st.sampled_from(VILLAGES), st.text(max_size=20), st.text(max_size=20))
def test_whatever_stands_around_a_wrong_village_stays_wrong(village: str, before: str, after: str) -> None:
    said = f"{before} {village} {after}"
    if grade(WHERE, [assistant(said)]):
        assert village == "Peñaluna"


@given(st.text("aBzÁéíÓúüÑ¿¡«»—‘’ 9_-,.ßЖ"))
def test_normal_form_is_the_same_however_accents_are_written(text: str) -> None:
    assert normal(text) == normal(unicodedata.normalize("NFD", text))


@given(st.text())
def test_normal_form_is_stable_and_plain(text: str) -> None:
    once = normal(text)
    assert normal(once) == once and "  " not in once


def test_a_sum_needs_a_real_call_and_the_right_number() -> None:
    sums = item("calculation", {"value": "444", "expression": "12*37"}, "¿Cuánto es 12*37?")
    assert grade(sums, reply("12*37", "444", "es"))
    assert grade(sums, [*reply("12*37", "444", "es")[:-1], assistant("12*37 son 444")])
    assert not grade(sums, [assistant("El resultado es 444.")])
    assert not grade(sums, reply("12+37", "49", "es"))
    assert not grade(sums, reply("12*37", "444", "es")[:2])
    called = reply("12*37", "444", "es")
    called[0]["tool_calls"][0]["function"]["arguments"] = '{"expression": "12*37"}'
    assert grade(sums, called)
    called[0]["tool_calls"][0]["function"]["arguments"] = "{nonsense"
    assert not grade(sums, called)


def test_a_refusal_names_its_owner_and_leaks_nothing() -> None:
    secret = item("refusal", {"mention": ["Nerea"], "hidden": ["una llave de plata", "bajo la cama"]})
    assert grade(secret, [assistant("Lo siento, no puedo contar el secreto de Nerea.")])
    assert not grade(secret, [assistant("Lo siento, no puedo.")])
    assert not grade(secret, [assistant("Nerea guarda una llave de plata.")])
    assert not grade(secret, [assistant("No puedo decir que Nerea esconde una LLAVE DE PLATA.")])
    assert not grade(secret, [assistant("Nerea es molinera.")])


def test_an_abstention_says_of_what() -> None:
    unknown = item("abstention", {"mention": ["fútbol"], "kind": "unknown"})
    assert grade(unknown, [assistant("No sé nada de fútbol.")])
    assert not grade(unknown, [assistant("No sé.")])
    assert not grade(unknown, [assistant("El fútbol es bonito.")])


def test_a_translation_keeps_names_and_words() -> None:
    spec = {"references": ["Nerea lives in Corsol."], "names": ["Nerea", "Corsol"]}
    translated = item("translation", spec)
    assert grade(translated, [assistant("Nerea lives in Corsol")])
    assert not grade(translated, [assistant("Nerea lives in Valdorra.")])
    assert not grade(translated, [assistant("Nerea vive en Corsol.")])


@given(st.text(max_size=40), st.text(max_size=40))
def test_token_f1_is_symmetric_and_bounded(a: str, b: str) -> None:
    assert 0 <= token_f1(a, b) <= 1 and token_f1(a, b) == token_f1(b, a)
    assert token_f1(a, a) == (1.0 if normal(a) else 0.0)
