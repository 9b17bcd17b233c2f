"""A sentence said in another way: by another person, denied, as a question, formally or as to a friend."""

from __future__ import annotations

from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.grammar import sentence
from fragua.corpus.aldea.names import table

FIRST, THIRD, NEGATIVE, QUESTION = 1, 2, 3, 4


def _person(asker: Asker, way: str) -> tuple[str, list[str]]:
    """(what stands there, what is wanted, the best first) for a change of person: two things about somebody."""
    rows, rng = table("rewriting.toml")[asker.lang], asker.rng
    who = rng.choice(asker.strangers)
    verbs = rng.sample(rows["verbs"], 2)
    things = [rng.choice(asker.world.of_kind(verb[0])) for verb in verbs]
    me = "I " if asker.lang == "en" else ""
    first = [me + asker.text(verb[FIRST], s=who, o=it) for verb, it in zip(verbs, things, strict=True)]
    third = [asker.text(verb[THIRD], s=who, o=it) for verb, it in zip(verbs, things, strict=True)]
    mine = sentence(f"{asker.text(rows['name'], s=who.es.bare)}, {first[0]}{rows['and']}{first[1]}")
    theirs = sentence(f"{who.es.bare} {third[0]}{rows['and']}{third[1]}")
    return (theirs, [mine]) if way == "first" else (mine, [theirs])


def _turned(asker: Asker, way: str) -> tuple[str, list[str]]:
    """The same for a denial or a question."""
    rng = asker.rng
    who, verb = rng.choice(asker.strangers), rng.choice(table("rewriting.toml")[asker.lang]["verbs"])
    it = rng.choice(asker.world.of_kind(verb[0]))
    plain = asker.sentence(f"{{s.n}} {verb[THIRD]}", s=who, o=it)
    if way == "negative":
        return plain, [asker.sentence(f"{{s.n}} {verb[NEGATIVE]}", s=who, o=it)]
    return plain, [asker.text(verb[QUESTION].replace("{s}", "{s.n}"), s=who, o=it)]


def _tone(asker: Asker, way: str) -> tuple[str, list[str]]:
    """A request to a friend and the same to someone whom one calls sir or madam, with any greeting of the tone."""
    rows, rng = table("rewriting.toml")[asker.lang], asker.rng
    who, it = rng.choice(asker.strangers), rng.choice(asker.world.of_kind("product"))
    thing = asker.text(rng.choice(rows["things"]), o=it)
    request = rng.choice(rows["requests"])
    greetings, goodbyes = rng.sample(rows["greetings"], 2), rng.sample(rows["goodbyes"], 3)

    def said(side: int, greeting: list[str], goodbye: list[str]) -> str:
        ask = request[side]
        if greeting[side].endswith("!"):
            ask = f"¿{ask[1:].capitalize()}" if ask[0] == "¿" else ask.capitalize()
        return asker.text(f"{greeting[side]} {ask} {goodbye[side]}".replace("{t}", "{t.n}"), t=who, x=thing)

    side = int(way == "formal")
    wanted = [said(side, greeting, goodbye) for greeting in greetings for goodbye in goodbyes]
    return said(1 - side, greetings[0], goodbyes[0]), wanted


WAYS = {
    "third": _person,
    "first": _person,
    "negative": _turned,
    "question": _turned,
    "formal": _tone,
    "informal": _tone,
}


def task(asker: Asker) -> Task | None:
    way = asker.rng.choice(sorted(WAYS))
    given, wanted = WAYS[way](asker, way)
    if not asker.mine(f"rewrite {way} {given}"):
        return None
    request = asker.rng.choice(table("rewriting.toml")[asker.lang][way]).replace("{x}", given)
    return Task(request, wanted[0], "exact", lambda: {"accept": wanted}, tags=[way])
