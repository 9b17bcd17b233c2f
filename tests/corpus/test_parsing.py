"""Texts are read back into the facts they tell, so that free answers can be graded."""

from __future__ import annotations

import random

import pytest

from fragua.corpus.aldea.entities import LANGS, Entity, Fact, World
from fragua.corpus.aldea.parsing import Claim, claims, contradictions
from fragua.corpus.aldea.telling import Decks, Teller
from fragua.corpus.aldea.world import build_world


def ids(said: list[Claim] | list[Fact]) -> list[tuple[str, str, str]]:
    return [(one.relation, one.subject.id, one.object.id) for one in said]


@pytest.mark.parametrize("seed", [0, 3, 11])
@pytest.mark.parametrize("lang", LANGS)
def test_every_statement_reads_back_as_its_fact(seed: int, lang: str) -> None:
    world, rng = build_world(seed), random.Random(seed)
    teller = Teller(world, rng, lang, Decks(world, rng))
    told = [(fact, teller.statement(fact)) for fact in world.all_facts * 2]
    lost = [text for fact, text in told if ids(claims(text, lang, world)) != ids([fact])]
    assert len(lost) <= 0.005 * len(told), lost[:10]


@pytest.mark.parametrize("lang", LANGS)
def test_elided_subjects_and_pronouns_are_found_again(lang: str) -> None:
    world, rng = build_world(4), random.Random(0)
    teller = Teller(world, rng, lang, Decks(world, rng))
    right = wrong = told = 0
    for entity in world.entities:
        facts = list(world.about(entity))[:5]
        if not facts:
            continue
        found = set(ids(claims(" ".join(teller.about(entity, facts)), lang, world)))
        truth = set(ids(facts))
        right, wrong, told = right + len(found & truth), wrong + len(found - truth), told + len(truth)
    assert right / told > 0.97 and wrong / told < 0.02, (right / told, wrong / told)


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(0)


def lived(world: World) -> tuple[Entity, Entity, Entity]:
    """A person, the village of that person, and another village."""
    fact = next(fact for fact in world.facts if fact.relation == "lives_in")
    other = next(village for village in world.of_kind("village") if village is not fact.object)
    return fact.subject, fact.object, other


def test_another_object_contradicts_and_the_prompt_overrides_the_world(world: World) -> None:
    person, home, other = lived(world)
    true = claims(f"{person.es.full} vive en {home.es.full}.", "es", world)
    false = claims(f"{person.es.full} vive en {other.es.full}.", "es", world)
    assert ids(true) == [("lives_in", person.id, home.id)] and not contradictions(true, world)
    assert contradictions(false, world) == false
    assert not contradictions(false, world, given=false) and contradictions(true, world, given=false) == true


def test_only_one_village_has_a_mayor_one_river_none(world: World) -> None:
    mayor = next(fact for fact in world.facts if fact.relation == "mayor")
    stranger = world.strangers[0]
    usurped = claims(f"The mayor of {mayor.subject.en.full} is {stranger.en.full}.", "en", world)
    assert contradictions(usurped, world) == usurped
    married = next(fact for fact in world.facts if fact.relation == "married_to")
    rival = claims(f"{stranger.en.full} is married to {married.object.en.full}.", "en", world)
    assert contradictions(rival, world) == rival


def test_a_stranger_contradicts_nothing_and_questions_and_denials_say_nothing(world: World) -> None:
    person, _, other = lived(world)
    stranger = world.strangers[0]
    said = claims(f"{stranger.es.bare} vive en {other.es.full}. Es pastor.", "es", world)
    assert [claim.relation for claim in said] == ["lives_in", "works_as"]
    assert said[1].subject == stranger and not contradictions(said, world)
    for text in (
        f"¿{person.es.bare} vive en {other.es.bare}?",
        f"{person.es.bare} no vive en {other.es.bare}.",
    ):
        assert claims(text, "es", world) == []


def test_a_relative_clause_belongs_to_the_name_before_it(world: World) -> None:
    one, two = world.of_kind("person")[:2]
    said = claims(
        f"{one.en.full} is married to {two.en.full}, who is a baker. She lives in Rome.", "en", world
    )
    assert (said[0].subject, said[0].object, said[1].subject) == (one, two, two) and len(said) == 2
