"""Sentiment: what a remark about a dish, a feast or a visit feels, in the words that the prompt asks for."""

from __future__ import annotations

from typing import Any

from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.entities import Entity
from fragua.corpus.aldea.names import table

KINDS = ("dish", "festival", "village")


def remark(asker: Asker, thing: Entity, feeling: str) -> str:
    """An opening and two clauses whose pair is on this side of the hold-out."""
    data, column, rng = table("sentiment.toml"), asker.column, asker.rng
    clauses = data[thing.kind][feeling]
    while True:
        one, two = rng.sample(range(len(clauses)), 2)
        if asker.mine(f"remark {thing.kind} {feeling} {min(one, two)} {max(one, two)}"):
            break
    template = rng.choice(data["join"][asker.lang])
    for hole, text in (
        ("{a}", rng.choice(data[thing.kind]["open"])[column]),
        ("{x}", clauses[one][column]),
        ("{y}", clauses[two][column]),
    ):
        template = template.replace(hole, text)
    return asker.text(template, o=thing)


def voiced(asker: Asker, person: Entity, thing: Entity, feeling: str) -> str:
    voice = asker.rng.choice(table("sentiment.toml")["voice"][asker.lang])
    return asker.text(voice.replace("{p}", "{p.n}"), p=person, r=remark(asker, thing, feeling))


def _labelled(asker: Asker) -> Task:
    """One remark, and the words of a label set."""
    labels: dict[str, Any] = asker.rng.choice(table("sentiment.toml")["labels"])
    feelings = [name for name in ("positive", "negative", "neutral") if name in labels]
    feeling, person = asker.rng.choice(feelings), asker.rng.choice(asker.strangers)
    thing = asker.decks.entity(asker.rng.choice(KINDS))
    said = voiced(asker, person, thing, feeling)
    column = asker.column
    asked = asker.text(asker.rng.choice(labels[asker.lang]).replace("{p}", "{p.n}"), p=person, o=thing)
    right = labels[feeling][column]
    answer = right[-1 if person.gender == "f" else 0]
    wrong = [word for name in feelings if name != feeling for word in labels[name][column]]
    return chosen(f"{said} {asked}", asker.sentence(answer), right, wrong, right[0])


def _chosen(asker: Asker) -> Task:
    """One remark, and two words that only this prompt gives their meaning."""
    data, column, rng = table("sentiment.toml")["chosen"], asker.column, asker.rng
    good, bad = (pair[column] for pair in rng.sample(data["words"], 2))
    feeling = rng.choice(("positive", "negative"))
    thing = asker.decks.entity(rng.choice(KINDS))
    said = voiced(asker, rng.choice(asker.strangers), thing, feeling)
    asked = asker.text(rng.choice(data[asker.lang]), x=good, y=bad)
    right, wrong = (good, bad) if feeling == "positive" else (bad, good)
    return chosen(f"{asked}\n{said}", asker.sentence(right), [right], [wrong], "chosen words")


def _who(asker: Asker) -> Task:
    """Two remarks about the same thing: whose is the good one, or the bad one?"""
    rng = asker.rng
    glad, cross = rng.sample(asker.strangers, 2)
    thing = asker.decks.entity(rng.choice(KINDS))
    lines = [voiced(asker, glad, thing, "positive"), voiced(asker, cross, thing, "negative")]
    rng.shuffle(lines)
    right, wrong, name = rng.choice(((glad, cross, "glad"), (cross, glad, "cross")))
    asked = rng.choice(table("sentiment.toml")["who"][f"{name}_{asker.lang}"])
    request = "\n".join([*lines, asked])
    return chosen(request, asker.sentence(right.es.bare), [right.es.bare], [wrong.es.bare], "who")


def chosen(request: str, answer: str, right: list[str], wrong: list[str], form: str) -> Task:
    """One of the words that the request offers is right, the others are wrong."""
    spec = {"accept": right, "reject": wrong, "in_passage": True}
    return Task(request, answer, "answer", lambda: spec, tags=[form])


def task(asker: Asker) -> Task:
    return asker.rng.choices((_labelled, _chosen, _who), (45, 20, 35))[0](asker)
