"""Reading lessons: a text about strangers, and exercises that only the text can solve."""

from __future__ import annotations

from collections.abc import Callable

from fragua.corpus.aldea.entities import Entity, Fact
from fragua.corpus.aldea.grammar import fill, name_of, sentence
from fragua.corpus.aldea.passages import KINDS, Passage, not_said, passage
from fragua.corpus.aldea.relations import genre_text, phrasings
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("lessons")
GAP = "___"


def render(teller: Teller) -> str:
    rng = teller.rng
    made = passage(teller.world, rng, teller.lang, teller.decks.strangers)
    said = [teller.retold(text, 0.95) for text in made.sentences]
    lines = [teller.pick(*TEXT["heads"]) + " ".join(said)]
    for at in rng.sample(range(len(said)), min(len(said), rng.randint(2, 3))):
        exercise = rng.choices(list(EXERCISES), list(EXERCISES.values()))[0]
        lines += exercise(teller, made, made.facts[at], said[at])
    return "\n".join(lines)


def _framed(teller: Teller, part: str, text: str) -> str:
    """The text in a frame; one time in thirty alone."""
    if teller.rng.random() < 1 / 30:
        return text
    return teller.fill(teller.pick(*TEXT[part]), l=teller.lowered(text))


def _asked(teller: Teller, made: Passage, fact: Fact, said: str) -> list[str]:
    return [
        _framed(teller, "questions", made.question(fact, teller.rng)),
        _framed(teller, "answers", made.answer(fact)),
    ]


def _quoted(teller: Teller, made: Passage, fact: Fact, said: str) -> list[str]:
    return [*_asked(teller, made, fact, said), teller.fill(teller.pick(*TEXT["quotes"]), s=said)]


def _missing(teller: Teller, made: Passage, fact: Fact, said: str) -> list[str]:
    person, relation = made.missing(teller.rng)
    template = teller.rng.choice(phrasings(teller.lang)[relation].q)
    return [
        _framed(teller, "questions", teller.fill(template, s=person)),
        _framed(teller, "silences", not_said(person, relation, teller.lang)),
    ]


def _gap(teller: Teller, made: Passage, fact: Fact, said: str) -> list[str]:
    asked = fact.subject if fact.relation == "owned_by" else fact.object
    word = name_of(asked, "", teller.lang, fact.subject)
    whole = made.answer(fact)
    gapped = GAP.join(whole.rsplit(word, 1)).rstrip(".")
    return [teller.form(*TEXT["gaps"], s=gapped, w=word)] if GAP in gapped else []


def _checked(teller: Teller, made: Passage, fact: Fact, said: str) -> list[str]:
    return [f"{_question(teller, made.answer(fact))} {teller.form(*TEXT['confirmed'])}"]


def _denied(teller: Teller, made: Passage, fact: Fact, said: str) -> list[str]:
    template = phrasings(teller.lang)[fact.relation].a[0]
    wrong = fill(template, teller.lang, {"s": fact.subject, "o": _another(teller, made, fact)})
    right = teller.lowered(made.answer(fact))
    return [f"{_question(teller, sentence(wrong))} {teller.fill(teller.pick(*TEXT['denied']), l=right)}"]


def _question(teller: Teller, text: str) -> str:
    return teller.fill(teller.pick(*TEXT["checked"]), l=teller.lowered(text).rstrip("."))


def _another(teller: Teller, made: Passage, fact: Fact) -> Entity:
    """An object of the same kind that the fact does not have."""
    if fact.relation in KINDS:
        choices = teller.world.of_kind(KINDS[fact.relation])
    else:
        choices = [person for person in made.people if person is not fact.subject] + teller.decks.strangers[
            :9
        ]
    return teller.rng.choice([entity for entity in choices if entity is not fact.object])


EXERCISES: dict[Callable[[Teller, Passage, Fact, str], list[str]], int] = {
    _asked: 34,
    _quoted: 24,
    _missing: 20,
    _gap: 9,
    _checked: 6,
    _denied: 7,
}
"""Exercise -> its weight."""
