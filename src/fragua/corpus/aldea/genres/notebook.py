"""Notebooks: inventories read twice, messages passed on, passwords asked for, receipts, minutes, drills,
dictations, copies of sentences, patterns, clippings by topic.

What is said again is drawn from large spaces, so that only the text itself tells it: practice in copying."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

from fragua.corpus.aldea.asking import Asker
from fragua.corpus.aldea.entities import LANGS, Entity
from fragua.corpus.aldea.grammar import listing, sentence
from fragua.corpus.aldea.holdout import held_out
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.passages import passage
from fragua.corpus.aldea.patterns import drawn, examples
from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.slips import bare_letters, slip_key, spoilt
from fragua.corpus.aldea.telling import Teller
from fragua.corpus.aldea.topics import topics, two_said

TEXT = genre_text("notebook")
_ONSETS = ("b", "br", "c", "cl", "d", "f", "g", "gr", "l", "m", "n", "p", "pl", "r", "s", "t", "tr", "v", "z")
_RIMES = ("a", "e", "i", "o", "u", "an", "el", "in", "or", "us")


LEAST_WORDS = 55


def render(teller: Teller) -> str:
    """Pages of different kinds until there are words enough."""
    left = dict(PAGES.values())
    lines: list[str] = []
    while len(" ".join(lines).split()) < LEAST_WORDS:
        (page,) = teller.rng.choices(list(left), list(left.values()))
        del left[page]
        lines += page(teller)
    return "\n".join(lines)


def code_word(rng: random.Random) -> str:
    """A word of no language: two or three syllables of a few million."""
    return "".join(rng.choice(_ONSETS) + rng.choice(_RIMES) for _ in range(rng.choice((2, 2, 3))))


def _names(teller: Teller, count: int) -> list[str]:
    """First names of strangers, half of them with a surname drawn afresh."""
    surnames = table("names.toml")["surnames"]
    people = [person.es.bare for person in teller.rng.sample(teller.decks.strangers, count)]
    return [f"{name} {teller.rng.choice(surnames)}" if teller.rng.random() < 0.5 else name for name in people]


def _title(teller: Teller, part: str) -> str:
    """Of a page that somebody keeps."""
    (owner,) = _names(teller, 1)
    return teller.form(*TEXT[part], n=owner).rstrip(".")


def _things(teller: Teller, count: int) -> list[tuple[Entity, str]]:
    goods = teller.rng.sample(teller.world.of_kind("product"), count)
    return [(thing, str(teller.rng.randint(2, 99))) for thing in goods]


def _counted(teller: Teller, things: list[tuple[Entity, str]]) -> str:
    return listing([f"{count} {thing.forms(teller.lang).bare}" for thing, count in things], teller.lang)


def _inventory(teller: Teller) -> list[str]:
    things = _things(teller, teller.rng.randint(3, 6))
    (name,) = _names(teller, 1)
    told = _counted(teller, things)
    lines = [teller.form(*TEXT["lists"], n=name, x=told), teller.form(*TEXT["again"], x=told)]
    for thing, count in teller.rng.sample(things, 2):
        lines.append(_count(teller, thing, count))
    return lines


def _count(teller: Teller, thing: Entity, count: str) -> str:
    return f"{teller.form(*TEXT['counts'], k=thing)} {teller.form(*TEXT['counted'], v=count)}"


def _message(teller: Teller) -> list[str]:
    rng = teller.rng
    names = _names(teller, rng.randint(3, 5))
    words = [code_word(rng) for _ in range(rng.randint(2, 4))]
    said = " ".join(words if rng.random() < 0.5 else [*words, str(rng.randint(10, 999))])
    lines = [
        sentence(teller.fill(teller.pick(*TEXT["passed"]), n=one, m=other, x=said))
        for one, other in pairwise(names)
    ]
    return [*lines, teller.form(*TEXT["heard"], m=names[-1], x=said)]


def _passwords(teller: Teller) -> list[str]:
    rng = teller.rng
    names = _names(teller, rng.randint(5, 8))
    owner, *names = names
    figures = rng.random() < 0.3
    values = [str(rng.randint(100, 9999)) if figures else code_word(rng) for _ in names]
    mark = rng.choice((": ", " = ", " -> ", ", "))
    lines = [teller.form(*TEXT["pairs"], n=owner).rstrip(".")]
    lines += [f"{name}{mark}{value}" for name, value in zip(names, values, strict=True)]
    for at in rng.sample(range(len(names)), rng.randint(2, 4)):
        part = "whose" if rng.random() < 0.3 else "asked"
        lines.append(teller.form(*TEXT[part], k=names[at], v=values[at]))
    return lines


def _receipt(teller: Teller) -> list[str]:
    things = _things(teller, teller.rng.randint(2, 5))
    (name,) = _names(teller, 1)
    holes = {"n": name, "d": str(teller.rng.randint(1000, 99999)), "x": _counted(teller, things)}
    lines = [teller.form(*TEXT["receipts"], **holes), teller.form(*TEXT["paid"], **holes)]
    thing, count = teller.rng.choice(things)
    return [*lines, _count(teller, thing, count)]


def _minutes(teller: Teller) -> list[str]:
    rng = teller.rng
    names = _names(teller, rng.randint(3, 5))
    everyone = listing(names, teller.lang)
    lines = [teller.form(*TEXT["meetings"], x=everyone)]
    speakers = rng.sample(names, 2)
    amounts = [str(number) for number in rng.sample(range(2, 99), 2)]
    units = [teller.pick(*TEXT["units"]) for _ in amounts]
    spoken = list(zip(speakers, amounts, units, strict=True))
    lines += [teller.form(*TEXT["says"], n=n, d=d, u=u) for n, d, u in spoken]
    who, amount, unit = rng.choice(spoken)
    lines.append(teller.form(*TEXT["recall"], n=who, d=amount, u=unit))
    return [*lines, teller.form(*TEXT["signs"], x=everyone)]


def _drill(teller: Teller) -> list[str]:
    """Words once as they are and once in capitals, with a mark, in quotes, or twice."""
    rng = teller.rng
    words = [code_word(rng) for _ in range(3)]
    kinds = rng.choices(("species", "trade", "ingredient", "product"), k=3)
    words += [rng.choice(teller.world.of_kind(kind)).forms(teller.lang).bare for kind in kinds]
    rng.shuffle(words)
    shown = rng.choice(("{W}", "{w}!", "«{w}»", '"{w}"', "{w} {w}", "{w}, {w}, {w}", "- {w}"))
    (name,) = _names(teller, 1)
    mark = rng.choice((": ", " -> ", " = "))
    lines = [f"{word}{mark}{shown.replace('{w}', word).replace('{W}', word.upper())}" for word in words]
    return [teller.form(*TEXT["drills"], n=name).rstrip("."), *lines]


def _spelling(teller: Teller) -> list[str]:
    """Names of the world without capitals and accents, and as they are written."""
    rng = teller.rng
    kinds = rng.choices(("person", "person", "village"), k=6)
    names = [rng.choice(teller.world.of_kind(kind)).forms(teller.lang).bare for kind in kinds]
    mark = rng.choice((": ", " -> ", " = "))
    return [
        _title(teller, "spelling"),
        *(f"{bare_letters(name, rng).lower()}{mark}{name}" for name in names),
    ]


def _dictation(teller: Teller) -> list[str]:
    """Sentences with slips of the pen, and the same sentences written well."""
    lines: list[str] = []
    for _ in range(teller.rng.randint(2, 3)):
        fact = teller.decks.fact()
        right = teller.statement(fact)
        wrong = spoilt(right, teller.lang, teller.rng)
        if wrong == right or held_out(slip_key(fact, teller.lang)):
            continue
        lines.append(f"{teller.pick(*TEXT['wrong'])} {wrong}\n{teller.pick(*TEXT['right'])} {right}")
    return lines


def _copies(teller: Teller) -> list[str]:
    """Sentences about strangers, some of which are written again: by their place, or by what only they speak of."""
    rng = teller.rng
    made = passage(teller.world, rng, teller.lang, teller.decks.strangers)
    (writer,) = _names(teller, 1)
    said = [teller.retold(text, 0.7) for text in made.sentences]
    text = " ".join(said)
    lines = [f"{teller.pick(*TEXT['sheets']).replace('{n}', writer)} {text}"]
    for at in rng.sample(range(len(made.facts)), min(len(made.facts), rng.randint(2, 3))):
        named = [made.facts[at].subject, made.facts[at].object]
        once = [each for each in named if text.count(each.forms(teller.lang).bare) == 1]
        place = TEXT["places"][LANGS.index(teller.lang)][at]
        asked = "spoken" if once and rng.random() < 0.7 else "placed"
        told = teller.fill(teller.pick(*TEXT[asked]), x=rng.choice(once or named), p=place)
        lines.append(f"{sentence(told).rstrip('.')}: {said[at]}")
    return lines


def _clippings(teller: Teller) -> list[str]:
    """Short texts, each with its topic behind it."""
    rng, column = teller.rng, LANGS.index(teller.lang)
    found = topics()
    lines = [_title(teller, "clippings")]
    for topic in rng.sample(sorted(found), 2):
        label = teller.pick(*TEXT["filed"]).replace("{x}", found[topic]["name"][column])
        lines.append(f"{two_said(topic, column, rng, for_exam=False)} {label}")
    return lines


def _patterns(teller: Teller) -> list[str]:
    """Lists of which each line after the first can be told from those above."""
    asker = Asker(teller.world, teller.rng, teller.lang, for_exam=False, decks=teller.decks)
    title, made = _title(teller, "patterns"), None
    while made is None:
        made = examples(asker, drawn(asker))
    shown, case, answer, joint = made
    return [title, ("; " if teller.rng.random() < 0.6 else joint).join([*shown, case + answer])]


PAGES: dict[str, tuple[Callable[[Teller], list[str]], int]] = {
    "inventory": (_inventory, 3),
    "message": (_message, 4),
    "passwords": (_passwords, 4),
    "receipt": (_receipt, 3),
    "minutes": (_minutes, 3),
    "drill": (_drill, 3),
    "spelling": (_spelling, 1),
    "dictation": (_dictation, 4),
    "clippings": (_clippings, 2),
    "copies": (_copies, 4),
    "patterns": (_patterns, 10),
}
"""Page -> (its lines, how often it comes)."""
