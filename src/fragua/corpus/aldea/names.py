"""Names of a world, drawn by its seed from lists and syllables."""

from __future__ import annotations

import random
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from fragua.corpus.aldea.entities import Entity, Forms

KNOWN_NAMES, USED_NAMES = 56, 36
"""Names from the list of each gender, and how many of them go to people of the world (the others to strangers)."""


@cache
def table(name: str) -> dict[str, Any]:
    """A packaged data table by file name, e.g. `names.toml`."""
    return tomllib.loads((files("fragua.corpus.aldea") / "data" / name).read_text(encoding="utf-8"))


def person(first: str, surname: str, gender: str, prefix: str = "person") -> Entity:
    forms = Forms(f"{first} {surname}", first, first)
    return Entity(f"{prefix}:{first}", "person", gender, forms, forms)


def same(kind: str, name: str, gender: str = "m") -> Entity:
    """An entity with one name for both languages, e.g. a village."""
    forms = Forms(name, name, name)
    return Entity(f"{kind}:{name}", kind, gender, forms, forms)


def common(kind: str, es: str, en: str, gender: str, plural: bool = False) -> Entity:
    """A common noun named without article in a sentence, which a `plural` one never has: an ingredient."""
    a_es = es if plural else f"{'un' if gender == 'm' else 'una'} {es}"
    return Entity(
        f"{kind}:{en}", kind, gender, Forms(es, es, a_es), Forms(en, en, en if plural else with_a(en))
    )


def definite(kind: str, es: str, en: str, gender: str) -> Entity:
    """A noun that carries the definite article in a sentence: a river, an invention."""
    article = "el" if gender == "m" else "la"
    indefinite = f"{'un' if gender == 'm' else 'una'} {es}"
    return Entity(
        f"{kind}:{en}",
        kind,
        gender,
        Forms(f"{article} {es}", es, indefinite),
        Forms(f"the {en}", en, with_a(en)),
    )


def with_a(noun: str) -> str:
    return f"an {noun}" if noun[0].lower() in "aeiou" else f"a {noun}"


def people(rng: random.Random, women: int, men: int) -> tuple[list[Entity], list[Entity]]:
    """(the people of the world, strangers that no text of the world knows): first names are all different."""
    names = table("names.toml")
    pools = {}
    for gender in "fm":
        made = [s + m + e for s in names["stems"] for m in names["middles"] for e in names[f"ends_{gender}"]]
        known = rng.sample(sorted(set(names[f"first_{gender}"]) - set(names["surnames"])), KNOWN_NAMES)
        made = sorted(set(made) - set(known))
        rng.shuffle(made)
        pools[gender] = known[:USED_NAMES] + made[:40] + known[USED_NAMES:] + made[40:]
    surnames = names["surnames"]
    if max(women, men) > USED_NAMES + 40:
        raise ValueError("more people than names")
    chosen = [person(name, rng.choice(surnames), "f") for name in pools["f"][:women]]
    chosen += [person(name, rng.choice(surnames), "m") for name in pools["m"][:men]]
    strangers = [person(name, rng.choice(surnames), "f", "stranger") for name in pools["f"][women:]]
    strangers += [person(name, rng.choice(surnames), "m", "stranger") for name in pools["m"][men:]]
    rng.shuffle(chosen)
    rng.shuffle(strangers)
    return chosen, strangers


def villages(rng: random.Random, count: int) -> list[Entity]:
    names = table("names.toml")
    heads, tails = rng.sample(names["village_heads"], count), rng.sample(names["village_tails"], count)
    return [
        same("village", head + tail, "f" if tail[-1] == "a" else "m")
        for head, tail in zip(heads, tails, strict=True)
    ]


def pets(rng: random.Random, count: int) -> tuple[list[Entity], list[Entity]]:
    """(the animals of the world, animals of strangers)"""
    names = table("names.toml")
    made = [head + tail for head in names["pet_heads"] for tail in names["pet_tails"]]
    rng.shuffle(made)
    known = rng.sample(sorted(set(names["pets"]) | set(made[:60])), count)
    return [same("animal", name) for name in known], [
        same("stray", name) for name in made[60:] if name not in known
    ]


def dishes(rng: random.Random, count: int) -> list[Entity]:
    """Invented words: 'la fresolina', in English 'fresolina' without article."""
    names = table("names.toml")
    made = [(head + tail, gender) for head in names["dish_heads"] for tail, gender in names["dish_tails"]]
    found = []
    for name, gender in rng.sample(made, count):
        article = "el" if gender == "m" else "la"
        es = Forms(f"{article} {name}", name, name)
        found.append(Entity(f"dish:{name}", "dish", gender, es, Forms(name, name, name)))
    return found


def trades() -> list[Entity]:
    found = []
    for man, woman, en in table("names.toml")["trades"]:
        found.append(
            Entity(f"trade:{en}", "trade", "m", Forms(man, man, man, woman), Forms(en, en, with_a(en)))
        )
    return found


def date(day: int, month: int) -> Entity:
    es, en = table("names.toml")["months"][month]
    es_form = f"{day} de {es}"
    return Entity(
        f"date:{month + 1:02d}-{day:02d}",
        "date",
        "m",
        Forms(f"el {es_form}", es_form, es_form),
        Forms(f"{day} {en}", f"{en} {day}", f"{day} {en}"),
    )
