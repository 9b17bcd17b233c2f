"""Answers under one constraint of form, length or language: about the valley, or about what the prompt tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from fragua.corpus.aldea.abilities.facts import key, names
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.entities import Entity, Fact
from fragua.corpus.aldea.grammar import fill, listing, sentence
from fragua.corpus.aldea.holdout import held_fact
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.passages import KINDS
from fragua.corpus.aldea.relations import phrasings
from fragua.corpus.aldea.wordbook import invented, kind_nouns, nouns

TOLD_SHARE = 0.6
"""Questions whose answer stands in the prompt, about strangers; the others ask for facts of the valley."""


class Asked(NamedTuple):
    """A question with the fact that answers it, and the statement before it where there is one."""

    fact: Fact
    question: str
    told: str


def _said(asker: Asker, template: str, fact: Fact, lang: str = "") -> str:
    return sentence(fill(template, lang or asker.lang, {"s": fact.subject, "o": fact.object}))


def _asked(asker: Asker, form: str, relations: tuple[str, ...]) -> Asked | None:
    rng = asker.rng
    told = [name for name in KINDS if name in relations]
    if told and rng.random() < TOLD_SHARE:
        relation = rng.choice(told)
        fact = Fact(
            -1, relation, rng.choice(asker.strangers), rng.choice(asker.world.of_kind(KINDS[relation]))
        )
        statement = _said(asker, f"{{s}} {rng.choice(phrasings(asker.lang)[relation].pred)}", fact) + " "
    else:
        fact, statement = asker.decks.fact(*relations), ""
        if held_fact(fact):
            return None
    template = asker.template(phrasings(asker.lang)[fact.relation].q, f"{form} {fact.subject.id}")
    if template is None:
        return None
    return Asked(fact, _said(asker, template, fact).removesuffix("."), statement)


def _names(asker: Asker, asked: Asked) -> dict[str, Any]:
    """What the answer may and must not name."""
    if asked.fact.index >= 0:
        return key(asker.world, asked.fact, reverse=False)
    right = names([asked.fact.object])
    others = names([e for e in asker.world.of_kind(asked.fact.object.kind) if e is not asked.fact.object])
    return {"accept": right, "reject": [name for name in others if name not in right], "in_passage": True}


def _name(asker: Asker, entity: Entity, owner: Entity) -> str:
    """The name alone, as it stands in a sentence: a trade agrees with who has it."""
    return fill("{o.n}", asker.lang, {"s": owner, "o": entity})


Form = tuple[str, str, dict[str, Any]]
"""What the constraint names, the answer, more for the grader."""


def one_of(asker: Asker, asked: Asked) -> Form | None:
    fact = asked.fact
    others = [
        e for e in asker.world.of_kind(fact.object.kind) if e is not fact.object and e is not fact.subject
    ]
    if len(others) < 2:
        return None
    options = asker.rng.sample([fact.object, *asker.rng.sample(others, 2)], 3)
    shown = [_name(asker, option, fact.subject) for option in options]
    return ", ".join(shown), _name(asker, fact.object, fact.subject), {"in_passage": True}


def one_word(asker: Asker, asked: Asked) -> Form | None:
    name = _name(asker, asked.fact.object, asked.fact.subject)
    return None if " " in name else ("", name, {})


def full(asker: Asker, asked: Asked) -> Form:
    return "", _said(asker, phrasings(asker.lang)[asked.fact.relation].a[0], asked.fact), {}


def capitals(asker: Asker, asked: Asked) -> Form:
    return "", full(asker, asked)[1].upper(), {}


def other(asker: Asker, asked: Asked) -> Form:
    lang = "en" if asker.lang == "es" else "es"
    answer = _said(asker, phrasings(lang)[asked.fact.relation].a[0], asked.fact, lang)
    return "", answer, {"reference": answer}


def as_json(asker: Asker, asked: Asked) -> Form:
    name = table("constraints.toml")[asker.lang]["keys"][asked.fact.relation]
    found = {name: _name(asker, asked.fact.object, asked.fact.subject)}
    return name, json.dumps(found, ensure_ascii=False), {}


def without(asker: Asker, asked: Asked) -> Form:
    word, template = asker.rng.choice(table("constraints.toml")[asker.lang]["ways"][asked.fact.relation])
    return word, _said(asker, template, asked.fact), {"subject": asked.fact.subject.es.bare}


def _word(asker: Asker, form: str) -> str:
    """A word of this side of the hold-out, invented or of a kind that answers no question."""
    real = kind_nouns("devices", asker.lang)
    while True:
        word = asker.rng.choice(real) if asker.rng.random() < 0.4 else invented(asker.rng)
        if asker.mine(f"{form} {word}"):
            return word


def ending(asker: Asker, asked: Asked) -> Form:
    word = _word(asker, "ending")
    return word, f"{full(asker, asked)[1]} {sentence(word)}", {}


def opening(asker: Asker, asked: Asked) -> Form:
    word = _word(asker, "opening")
    return word, f"{sentence(word)} {full(asker, asked)[1]}", {}


FORMS: dict[str, Callable[[Asker, Asked], Form | None]] = {
    "one_of": one_of,
    "one_word": one_word,
    "sentence": full,
    "capitals": capitals,
    "other": other,
    "json": as_json,
    "without": without,
    "ending": ending,
    "opening": opening,
}


def _about_facts(asker: Asker, form: str) -> Task | None:
    rows = table("constraints.toml")[asker.lang]
    asked = _asked(asker, form, tuple(rows["ways" if form == "without" else "keys"]))
    if asked is None:
        return None
    found = FORMS[form](asker, asked)
    if found is None:
        return None
    x, answer, more = found
    request = asked.told + asker.rng.choice(rows[form]).replace("{q}", asked.question).replace("{x}", x)
    return Task(
        request, answer, "form", lambda: {**_names(asker, asked), "form": form, "x": x, **more}, tags=[form]
    )


def _about_words(asker: Asker, form: str) -> Task | None:
    """Lists, and words said so many times."""
    rng, rows = asker.rng, table("constraints.toml")[asker.lang]
    if form == "times":
        word, count = _word(asker, "times"), rng.randint(2, 4)
        request = rng.choice(rows[form]).replace("{x}", word).replace("{n}", rows["numbers"][count - 2])
        answer = ", ".join([word] * count)
        request = sentence(request).removesuffix(".")
        return Task(request, answer, "exact", lambda: {"accept": [answer]}, tags=[form])
    words = rng.sample(nouns(asker.lang), rng.randint(2, 4))
    if not asker.mine("list " + " ".join(sorted(words))):
        return None
    dashes = "\n".join(f"- {word}" for word in words)
    commas = ", ".join(words)
    if form == "commas":
        given, answer = dashes, commas
    else:
        given = listing(words, asker.lang)
        answer = (
            dashes if form == "dashes" else "\n".join(f"{at}. {word}" for at, word in enumerate(words, 1))
        )
    request = rng.choice(rows[form]).replace("{x}", given)
    return Task(request, answer, "exact", lambda: {"accept": [answer], "strict": True}, tags=[form])


def task(asker: Asker) -> Task | None:
    form = asker.rng.choice((*FORMS, "times", "dashes", "numbered", "commas"))
    return _about_facts(asker, form) if form in FORMS else _about_words(asker, form)
