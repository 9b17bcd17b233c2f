"""Short texts about people who do not exist, so that their answers can only come from the text."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from fragua.corpus.aldea.entities import Entity, Fact, World
from fragua.corpus.aldea.grammar import fill, sentence
from fragua.corpus.aldea.relations import phrasings

ASKED = ("lives_in", "works_as", "likes", "friend_of", "owned_by")
KINDS = {"lives_in": "village", "works_as": "trade", "likes": "dish"}


@dataclass(frozen=True)
class Passage:
    text: str
    lang: str
    facts: tuple[Fact, ...]
    people: tuple[Entity, ...]
    sentences: tuple[str, ...]
    """The sentence of each fact."""

    def question(self, fact: Fact, rng: random.Random, numbers: Sequence[int] = ()) -> str:
        """A question about the fact; for an animal it is asked from its owner."""
        said = phrasings(self.lang)[fact.relation]
        choices = said.rq if fact.relation == "owned_by" else said.q
        template = choices[rng.choice(numbers)] if numbers else rng.choice(choices)
        return fill(template, self.lang, {"s": fact.subject, "o": fact.object})

    def answer(self, fact: Fact) -> str:
        said = phrasings(self.lang)[fact.relation]
        template = (said.ra if fact.relation == "owned_by" else said.a)[0]
        return sentence(fill(template, self.lang, {"s": fact.subject, "o": fact.object}))

    def missing(self, rng: random.Random) -> tuple[Entity, str]:
        """(a person of the text, a relation of which the text says nothing about that person)."""
        person = rng.choice(self.people)
        told = {
            f.relation for f in self.facts if person in (f.subject if f.relation != "owned_by" else f.object,)
        }
        return person, rng.choice([name for name in ("lives_in", "works_as", "likes") if name not in told])


def not_said(person: Entity, relation: str, lang: str) -> str:
    """'The text does not say where Ada lives.'"""
    inside = fill(phrasings(lang)[relation].ind, lang, {"s": person})
    return f"El texto no dice {inside}." if lang == "es" else f"The text does not say {inside}."


def passage(world: World, rng: random.Random, lang: str, strangers: Sequence[Entity]) -> Passage:
    """Two or three strangers with one or two facts each, at least one thing left unsaid of everybody."""
    people = rng.sample(strangers, rng.randint(2, 3))
    facts = []
    for at, person in enumerate(people):
        for relation in rng.sample(ASKED, rng.choice((1, 2, 2))):
            if relation == "friend_of":
                subject, other = person, people[(at + 1) % len(people)]
            elif relation == "owned_by":
                subject, other = rng.choice(world.strays), person
            else:
                subject, other = person, rng.choice(world.of_kind(KINDS[relation]))
            facts.append(Fact(-1, relation, subject, other))
    said = [_say(fact, rng, lang) for fact in facts]
    return Passage(" ".join(said), lang, tuple(facts), tuple(people), tuple(said))


def _say(fact: Fact, rng: random.Random, lang: str) -> str:
    said = phrasings(lang)[fact.relation]
    template = rng.choice([f"{{s}} {text}" for text in said.pred] + list(said.sent))
    return sentence(fill(template, lang, {"s": fact.subject, "o": fact.object}))
