"""The world keeps its promises: its size, its cardinalities, its names, and that a seed decides everything."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from fragua.corpus.aldea.entities import World
from fragua.corpus.aldea.relations import phrasings
from fragua.corpus.aldea.world import CARDINALITIES, build_world


@pytest.fixture(scope="module", params=[0, 7, 12345])
def world(request: pytest.FixtureRequest) -> World:
    return build_world(request.param)


def test_a_seed_gives_one_world_and_another_seed_another() -> None:
    assert json.dumps(build_world(3).to_json()) == json.dumps(build_world(3).to_json())
    one, two = build_world(3), build_world(4)
    assert {fact.id for fact in one.facts}.isdisjoint(
        fact.id for fact in two.facts if fact.relation == "lives_in"
    )
    assert [fact.id for fact in one.real_facts] == [fact.id for fact in two.real_facts]


def test_the_world_is_as_large_as_promised(world: World) -> None:
    assert len(world.entities) >= 300
    assert len({entity.id for entity in world.entities}) == len(world.entities)
    assert len(world.real_facts) >= 250
    assert len({fact.id for fact in world.all_facts}) == len(world.all_facts)
    assert len(world.secrets) == len(world.of_kind("person"))
    assert len({secret.parts("es") for secret in world.secrets.values()}) == len(world.secrets)


def test_cardinalities_hold(world: World) -> None:
    for relation, kind in CARDINALITIES.items():
        facts = [fact for fact in world.facts if fact.relation == relation]
        assert facts, relation
        assert Counter(fact.subject.id for fact in facts).most_common(1)[0][1] == 1, relation
        if kind == "1:1":
            assert Counter(fact.object.id for fact in facts).most_common(1)[0][1] == 1, relation
    assert {fact.relation for fact in world.facts} == set(CARDINALITIES)


def test_marriage_is_mutual_and_nobody_is_their_own_friend(world: World) -> None:
    couples = {(f.subject.id, f.object.id) for f in world.facts if f.relation == "married_to"}
    assert all((b, a) in couples for a, b in couples)
    assert all(f.subject is not f.object for f in world.facts)


def test_names_tell_people_and_things_apart(world: World) -> None:
    firsts = [person.es.bare for person in (*world.of_kind("person"), *world.strangers)]
    assert len(set(firsts)) == len(firsts)
    named = [e.es.full for e in world.entities if e.kind not in ("person", "species")]
    assert len(set(named)) == len(named)
    assert {e.es.bare for e in world.strays}.isdisjoint(e.es.bare for e in world.of_kind("animal"))


def test_every_relation_is_phrased_in_both_languages(world: World) -> None:
    es, en = phrasings("es"), phrasings("en")
    assert set(es) == set(en)
    for relation in {fact.relation for fact in world.all_facts}:
        for said in (es[relation], en[relation]):
            assert said.pred and said.a and said.ind and len(said.q) >= 4, relation
            assert bool(said.rq) == bool(said.ra), relation
        assert len(es[relation].pred) == len(en[relation].pred), relation


def test_the_graph_is_json_with_every_fact_and_secret(world: World) -> None:
    graph = json.loads(json.dumps(world.to_json()))
    known = {row["id"] for row in graph["entities"] + graph["real_entities"]}
    assert all(s in known and o in known for s, _, o in graph["real_facts"])
    literal = ("year:", "date:")
    assert all(s in known and (o in known or o.startswith(literal)) for s, _, o in graph["facts"])
    assert len(graph["secrets"]) == len(world.secrets)


@pytest.mark.parametrize(
    ("relation", "subject", "target"),
    [
        ("capital", "Australia", "Canberra"),
        ("capital", "Turkey", "Ankara"),
        ("author", "Hopscotch", "Julio Cortázar"),
        ("symbol", "tin", "Sn"),
        ("planet_order", "Mars", "fourth"),
        ("month_days", "April", "30"),
        ("next_day", "Sunday", "Monday"),
        ("equals", "litre", "1000 millilitres"),
        ("language", "Brazil", "Portuguese"),
    ],
)
def test_real_facts_are_true(relation: str, subject: str, target: str) -> None:
    facts = build_world(0).real_facts
    assert [f.object.en.bare for f in facts if f.relation == relation and f.subject.en.bare == subject] == [
        target
    ]
