"""The plain facts of the real world, the same for every seed."""

from __future__ import annotations

from functools import cache

from fragua.corpus.aldea.entities import Entity, Fact, Forms
from fragua.corpus.aldea.names import common, definite, same, table


def _pair(kind: str, es: str, en: str, gender: str = "m") -> Entity:
    return Entity(f"{kind}:{en}", kind, gender, Forms(es, es, es), Forms(en, en, en))


def _country(es: str, en: str) -> Entity:
    gender = "f" if es.endswith("a") and es != "Kenia" else "m"
    if es == "Reino Unido":
        return definite("country", es, en, "m")
    return _pair("country", es, en, gender)


@cache
def real_facts() -> tuple[tuple[Entity, ...], tuple[tuple[str, Entity, Entity], ...]]:
    """(entities, (relation, subject, object) triples)."""
    data = table("real.toml")
    triples: list[tuple[str, Entity, Entity]] = []
    continents = {es: _pair("continent", es, en, g) for es, en, g in data["continents"]}
    languages = {es: _pair("language", es, en) for es, en in data["languages"]}
    for es, en, city_es, city_en, continent, language in data["countries"]:
        country = _country(es, en)
        triples.append(("capital", country, _pair("city", city_es, city_en, "f")))
        if continent:
            triples.append(("continent", country, continents[continent]))
        if language:
            triples.append(("language", country, languages[language]))
    authors: dict[str, Entity] = {}
    for es, en, author_es, author_en, gender in data["books"]:
        author = authors.setdefault(author_en, _pair("author", author_es, author_en, gender))
        triples.append(("author", _pair("book", es, en), author))
    for row in data["elements"]:
        element = definite("element", row[0], row[1], row[3] if len(row) > 3 else "m")
        element = Entity(element.id, "element", element.gender, element.es, Forms(row[1], row[1], row[1]))
        triples.append(("symbol", element, same("symbol", row[2])))
    for (es, en), (nth_es, nth_en) in zip(data["planets"], data["ordinals"], strict=True):
        triples.append(("planet_order", _pair("planet", es, en), _pair("ordinal", nth_es, nth_en)))
    days = [_day(es, en) for es, en in data["days"]]
    triples += [("next_day", day, days[(at + 1) % 7]) for at, day in enumerate(days)]
    months = [_pair("month", es, en) for es, en in table("names.toml")["months"]]
    triples += [("next_month", month, months[(at + 1) % 12]) for at, month in enumerate(months)]
    for month, count in zip(months, data["month_days"], strict=True):
        es, _, en = count.partition("|")
        triples.append(("month_days", month, _pair("day_count", es, en or es)))
    for es, en, much_es, much_en, gender in data["units"]:
        triples.append(("equals", common("unit", es, en, gender), _pair("measure", much_es, much_en)))
    entities: dict[str, Entity] = {}
    for _, subject, target in triples:
        entities.setdefault(subject.id, subject)
        entities.setdefault(target.id, target)
    return tuple(entities.values()), tuple(triples)


def _day(es: str, en: str) -> Entity:
    return Entity(f"day:{en}", "day", "m", Forms(f"el {es}", es, f"un {es}"), Forms(en, en, f"a {en}"))


def as_facts(start: int) -> tuple[Fact, ...]:
    """The triples as facts, numbered on from `start`."""
    return tuple(Fact(start + at, *triple) for at, triple in enumerate(real_facts()[1]))
