"""Summaries: one short sentence that says who did what, and leaves the details out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fragua.corpus.aldea.abilities.facts import names
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.entities import Entity
from fragua.corpus.aldea.names import table

MOST_WORDS = 12
"""Of a summary; every text is longer by half at least."""


@dataclass(frozen=True)
class Event:
    verb: dict[str, Any]
    thing: list[str]
    rivals: list[dict[str, Any]]
    """The other verbs that could stand with the thing, and would tell another story."""


def _event(asker: Asker) -> Event:
    """A verb and a thing whose combination is on this side of the hold-out."""
    while True:
        group = asker.rng.choice(table("summaries.toml")["event"])
        verb, thing = asker.rng.choice(group["verbs"]), asker.rng.choice(group["things"])
        if asker.mine(f"event {verb['en']} {thing[1]}"):
            return Event(verb, thing, [other for other in group["verbs"] if other is not verb])


def task(asker: Asker) -> Task:
    data, lang, rng = table("summaries.toml"), asker.lang, asker.rng
    event, person = _event(asker), rng.choice(asker.strangers)
    village, trade = asker.decks.entity("village"), asker.decks.entity("trade")
    what = f"{event.verb[lang]} {event.thing[asker.column]}"
    point = asker.sentence(
        rng.choice(data["point"][lang]),
        s=person,
        t=trade,
        v=village,
        e=what,
        w=rng.choice(data["when"][lang]),
    )
    lines = [point, *rng.sample(data["detail"][lang], rng.choice((1, 2, 2)))]
    if rng.random() < 0.3:
        lines[0], lines[1] = lines[1], lines[0]
    request = rng.choice(data["ask"][lang]).replace("{x}", " ".join(lines))
    summary = asker.sentence("{s.n} {e}", s=person, e=what)
    return Task(request, summary, "summary", lambda: _key(asker, event, person, village))


def _key(asker: Asker, event: Event, person: Entity, village: Entity) -> dict[str, Any]:
    lang = asker.lang
    return {
        "need": [[person.es.bare], _said(event.verb, lang), [event.thing[asker.column]]],
        "reject": [
            *(word for verb in event.rivals for word in _said(verb, lang)),
            *names([other for other in asker.world.of_kind("village") if other is not village]),
        ],
        "most_words": MOST_WORDS,
    }


def _said(verb: dict[str, Any], lang: str) -> list[str]:
    return [verb[lang], *verb[f"also_{lang}"]]
