"""The typed graph of a seed: who lives where, what each village is known for, what happened when."""

from __future__ import annotations

import random
from collections.abc import Iterable

from fragua.corpus.aldea import names
from fragua.corpus.aldea.entities import Entity, Fact, Secret, World
from fragua.corpus.aldea.real import as_facts, real_facts

WOMEN, MEN, VILLAGES, RIVERS, MOUNTAINS, ANIMALS, DISHES, INVENTIONS, EVENTS = (
    48,
    48,
    20,
    6,
    6,
    48,
    24,
    24,
    20,
)

CARDINALITIES = {
    "lives_in": "n:1",
    "works_as": "n:1",
    "likes": "n:1",
    "married_to": "1:1",
    "friend_of": "1:1",
    "owned_by": "1:1",
    "species": "n:1",
    "mayor": "1:1",
    "near_river": "n:1",
    "known_for": "1:1",
    "founded": "1:1",
    "landmark_in": "1:1",
    "celebrated_in": "1:1",
    "celebrated_on": "1:1",
    "ingredient": "1:1",
    "dish_from": "n:1",
    "invented_by": "1:1",
    "invented_year": "n:1",
    "happened_in": "1:1",
    "happened_year": "n:1",
    "rises_in": "1:1",
}
"""Relation -> subjects:objects. In 'n:1' and '1:1' a subject has one object; in '1:1' an object also one subject."""


def build_world(seed: int) -> World:
    """The world of a seed; the same seed gives the same world in every process."""
    rng = random.Random(f"aldea world {seed}")
    data = names.table("names.toml")
    people, strangers = names.people(rng, WOMEN, MEN)
    villages = names.villages(rng, VILLAGES)
    rivers = [
        names.definite("river", f"río {n}", f"river {n}", "m") for n in rng.sample(data["rivers"], RIVERS)
    ]
    peaks = rng.sample(data["mountains"], MOUNTAINS)
    mountains = [_mountain(name) for name in peaks]
    (animals, strays), dishes = names.pets(rng, ANIMALS), names.dishes(rng, DISHES)
    species = [names.common("species", *row) for row in data["species"]]
    ingredients = [names.common("ingredient", es, en, g, plural=True) for es, en, g in data["ingredients"]]
    products = [names.common("product", es, en, g, plural=True) for es, en, g in data["products"]]
    trades = names.trades()
    landmarks = _pairs(rng, VILLAGES, "landmark", data["landmark_kinds"], data["landmark_of"])
    festivals = [
        names.definite("festival", f"Fiesta de{_of(es)}", f"{en} Festival", "f")
        for es, en in rng.sample(data["festivals"], VILLAGES)
    ]
    inventions = _inventions(rng, data)
    events = [
        names.definite("event", es.split(" ", 1)[1], en.removeprefix("the "), gender)
        for es, en, gender in rng.sample(data["events"], EVENTS)
    ]
    triples: list[tuple[str, Entity, Entity]] = []

    def join(relation: str, subjects: Iterable[Entity], objects: Iterable[Entity]) -> None:
        triples.extend((relation, s, o) for s, o in zip(subjects, objects, strict=False))

    join("lives_in", people, _even(rng, villages, len(people)))
    join("works_as", people, _even(rng, trades, len(people)))
    join("likes", people, _even(rng, dishes, len(people)))
    married = _couples(rng, people)
    join("married_to", [a for a, _ in married], [b for _, b in married])
    friends = rng.sample(people, len(people))
    join("friend_of", friends, friends[1:] + friends[:1])
    join("owned_by", animals, rng.sample(people, len(animals)))
    join("species", animals, _even(rng, species, len(animals)))
    join("mayor", villages, rng.sample(people, len(villages)))
    join("near_river", villages, _even(rng, rivers, len(villages)))
    join("known_for", villages, rng.sample(products, len(villages)))
    join("founded", villages, [_year(y) for y in rng.sample(range(1400, 1700), len(villages))])
    join("landmark_in", landmarks, rng.sample(villages, len(villages)))
    join("celebrated_in", festivals, rng.sample(villages, len(villages)))
    days = rng.sample(range(12 * 28), len(festivals))
    join("celebrated_on", festivals, [names.date(day % 28 + 1, day // 28) for day in days])
    join("ingredient", dishes, rng.sample(ingredients, len(dishes)))
    join("dish_from", dishes, _even(rng, villages, len(dishes)))
    join("invented_by", inventions, rng.sample(people, len(inventions)))
    join("invented_year", inventions, [_year(y) for y in rng.sample(range(1900, 1990), len(inventions))])
    join("happened_in", events, rng.sample(villages, len(events)))
    join("happened_year", events, [_year(y) for y in rng.sample(range(1700, 1900), len(events))])
    join("rises_in", rivers, mountains)
    facts = tuple(Fact(at, *triple) for at, triple in enumerate(triples))
    places = [(thing, place) for thing in data["secret_things"] for place in data["secret_places"]]
    secrets = {
        person.id: Secret(person, (thing[0], thing[1]), (place[0], place[1]))
        for person, (thing, place) in zip(people, rng.sample(places, len(people)), strict=True)
    }
    groups = (people, villages, rivers, mountains, landmarks, festivals, events, animals, species, dishes)
    entities = [e for group in (*groups, ingredients, products, inventions, trades) for e in group]
    return World(
        seed,
        tuple(entities),
        facts,
        real_facts()[0],
        as_facts(len(facts)),
        secrets,
        tuple(strangers),
        tuple(strays),
    )


def _mountain(name: str) -> Entity:
    base = names.definite("mountain", f"monte {name}", f"Mount {name}", "m")
    bare = names.Forms(f"Mount {name}", f"Mount {name}", f"Mount {name}")
    return Entity(base.id, base.kind, base.gender, base.es, bare)


def _of(es: str) -> str:
    """What follows 'de': 'el Pan' gives 'l Pan', 'los Gatos' gives ' los Gatos'."""
    return f"l {es[3:]}" if es.startswith("el ") else f" {es}"


def _pairs(
    rng: random.Random, count: int, kind: str, heads: list[list[str]], tails: list[list[str]]
) -> list[Entity]:
    chosen = rng.sample([(head, tail) for head in heads for tail in tails], count)
    return [
        names.definite(kind, f"{head[0]} de{_of(tail[0])}", f"{head[1]} of {tail[1]}", head[2])
        for head, tail in chosen
    ]


def _inventions(rng: random.Random, data: dict[str, list[list[str]]]) -> list[Entity]:
    chosen = rng.sample(
        [(device, matter) for device in data["devices"] for matter in data["matters"]], INVENTIONS
    )
    return [names.definite("invention", f"{d[0]} de {m[0]}", f"{m[1]} {d[1]}", d[2]) for d, m in chosen]


def _even(rng: random.Random, items: list[Entity], count: int) -> list[Entity]:
    """`count` draws in which every item comes up equally often, give or take one."""
    drawn: list[Entity] = []
    while len(drawn) < count:
        drawn += rng.sample(items, min(len(items), count - len(drawn)))
    rng.shuffle(drawn)
    return drawn


def _couples(rng: random.Random, people: list[Entity]) -> list[tuple[Entity, Entity]]:
    """Half of the people in couples, each fact told from both sides."""
    chosen = rng.sample(people, len(people) // 2)
    couples = list(zip(chosen[::2], chosen[1::2], strict=True))
    return [pair for a, b in couples for pair in ((a, b), (b, a))]


def _year(year: int) -> Entity:
    return names.same("year", str(year))
