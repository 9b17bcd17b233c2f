"""Turns facts into sentences with many skeletons, and remembers which facts were told."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from itertools import accumulate, product
from math import prod

from fragua.corpus.aldea.entities import Entity, Fact, World
from fragua.corpus.aldea.grammar import contract, fill, sentence
from fragua.corpus.aldea.holdout import held_fact, held_out, phrasing_key, question_about
from fragua.corpus.aldea.relations import frames, phrasings

_NAMES_FIRST = ("{s}", "{s.", "{o}", "{o.")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
FRAMED = 0.96
"""The share of single statements that stand in a frame; the plain sentence is what conversations are for."""


@cache
def _weights(templates: tuple[str, ...]) -> list[int]:
    """Of each template, in how many ways it can be settled; cumulative."""
    ways = (prod(found.count("|") + 1 for found in _CHOICE.findall(template)) for template in templates)
    return list(accumulate(ways))


def settled(templates: Sequence[str], rng: random.Random) -> str:
    """One of the templates, with one of each `[this|that]` in it: every outcome equally often."""
    template = rng.choices(templates, cum_weights=_weights(tuple(templates)))[0]
    return _CHOICE.sub(lambda m: rng.choice(m[1].split("|")), template) if "[" in template else template


def every(template: str) -> Iterator[str]:
    """Each of the ways in which a template with `[this|that]` can be settled."""
    parts = _CHOICE.split(template)
    ways = [part.split("|") if at % 2 else [part] for at, part in enumerate(parts)]
    return ("".join(chosen) for chosen in product(*ways))


class Deck:
    """Draws every item once before any comes again, so that all facts are told about equally often."""

    def __init__(self, items: Sequence[Entity | Fact], rng: random.Random):
        self._items, self._rng, self._left = list(items), rng, []  # type: ignore[var-annotated]

    def draw(self) -> Entity | Fact:
        if not self._left:
            self._left = self._rng.sample(self._items, len(self._items))
        return self._left.pop()


class Decks:
    """One deck for each kind of entity or relation, made when first asked for."""

    def __init__(self, world: World, rng: random.Random):
        self.world, self._rng = world, rng
        self._decks: dict[str, Deck] = {}
        self.told = [0] * len(world.all_facts)

    def entity(self, kind: str) -> Entity:
        found = self._draw(f"kind {kind}", lambda: self.world.of_kind(kind))
        assert isinstance(found, Entity)
        return found

    @cached_property
    def strangers(self) -> list[Entity]:
        """Those of whom texts may speak; the others are the exam's."""
        return [person for person in self.world.strangers if not held_out(person.id)]

    @cached_property
    def proper(self) -> frozenset[str]:
        """How names begin that keep their capital inside a sentence ('La Habana' with its article); and 'I'."""
        named = [*self.world.entities, *self.world.real_entities, *self.world.strangers, *self.world.strays]
        starts = {
            re.match(r"((El|La|The) )?\w+", forms.full)[0]  # type: ignore[index]
            for entity in named
            for forms in (entity.es, entity.en)
            if entity.kind != "book"
        }
        return frozenset(start for start in starts if start[0].isupper()) | {"I"}

    def fact(self, *relations: str) -> Fact:
        """A fact of the world (of these relations, if any are named)."""
        facts = self.world.facts
        found = self._draw(
            f"facts {relations}", lambda: [f for f in facts if not relations or f.relation in relations]
        )
        assert isinstance(found, Fact)
        return found

    def real_fact(self) -> Fact:
        found = self._draw("real", lambda: list(self.world.real_facts))
        assert isinstance(found, Fact)
        return found

    def real_subject(self) -> Entity:
        """A thing of the real world of which something is told."""
        subjects = {fact.subject.id: fact.subject for fact in self.world.real_facts}
        found = self._draw("real subjects", lambda: list(subjects.values()))
        assert isinstance(found, Entity)
        return found

    def _draw(self, name: str, items) -> Entity | Fact:  # type: ignore[no-untyped-def]
        if name not in self._decks:
            self._decks[name] = Deck(items(), self._rng)
        return self._decks[name].draw()


class Teller:
    """The voice of one document: a language, a source of chance, and the facts told so far."""

    def __init__(self, world: World, rng: random.Random, lang: str, decks: Decks):
        self.world, self.rng, self.lang, self.decks = world, rng, lang, decks
        self.facts: list[Fact] = []
        self._phrasings, self._frames = phrasings(lang), frames(lang)

    def pick(self, es: Sequence[str], en: Sequence[str]) -> str:
        """One of the templates of this language, settled."""
        return settled(es if self.lang == "es" else en, self.rng)

    def fill(self, template: str, **holes: Entity | str) -> str:
        return fill(template, self.lang, holes)

    def form(self, es: Sequence[str], en: Sequence[str], **holes: Entity | str) -> str:
        """One of the templates of this language, filled, as a sentence."""
        return sentence(fill(self.pick(es, en), self.lang, holes))

    def mention(self, entity: Entity) -> str:
        """A person by first name or in full, a book in quotes; anything else by its usual name."""
        forms = entity.forms(self.lang)
        if entity.kind == "book":
            return f"«{forms.full}»" if self.lang == "es" else f'"{forms.full}"'
        if entity.kind == "unit":
            return forms.indefinite
        return forms.bare if entity.kind == "person" and self.rng.random() < 0.35 else forms.full

    def lowered(self, text: str) -> str:
        """The sentence as it stands after a comma or colon: a small first letter, unless a name begins it."""
        first = re.match(r"\W*(\w+)( \w+)?", text)
        names = self.decks.proper
        if first is None or text[0] in '«"' or first[1] in names or f"{first[1]}{first[2]}" in names:
            return text
        at = first.start(1)
        return text[:at] + text[at].lower() + text[at + 1 :]

    def retold(self, text: str, chance: float) -> str:
        """A sentence of a passage, with that chance inside a frame."""
        return sentence(self.framed(self.lowered(text).rstrip("."), chance))

    def told(self, fact: Fact) -> None:
        self.facts.append(fact)

    def statement(self, fact: Fact, framed: float = FRAMED) -> str:
        """The fact as one sentence: from its subject, from its object, or turned round; mostly framed."""
        self.told(fact)
        said = self._phrasings[fact.relation]
        at = self.rng.randrange(len(said.pred) + len(said.inv) + len(said.sent))
        holes = {"s": fact.subject, "o": fact.object}
        if at < len(said.sent):
            template = said.sent[at]
            text = self._filled(template, fact)
            if not template.startswith(_NAMES_FIRST):
                text = text[0].lower() + text[1:]
        else:
            at -= len(said.sent)
            if at < len(said.pred):
                text = f"{self.mention(fact.subject)} {fill(said.pred[at], self.lang, holes)}"
            else:
                inverse = fill(said.inv[at - len(said.pred)], self.lang, holes)
                text = f"{self.mention(fact.object)} {inverse}"
        return sentence(self.framed(text, framed))

    def framed(self, text: str, chance: float) -> str:
        """The statement with that chance inside a frame: who says so, where, how sure it is."""
        if self.rng.random() >= chance:
            return text
        return settled(self._frames["wrap"], self.rng).replace("{x}", text)

    def _filled(self, template: str, fact: Fact) -> str:
        """Full names, or now and then the first name of the person."""
        if self.rng.random() < 0.3:
            template = template.replace("{s}", "{s.n}") if fact.subject.kind == "person" else template
        return fill(template, self.lang, {"s": fact.subject, "o": fact.object})

    def predicate(self, fact: Fact, of: Entity) -> str | None:
        """What the fact says of `of`, without naming it; None where the relation has no such phrasing."""
        said = self._phrasings[fact.relation]
        choices = said.pred if fact.subject is of else said.inv
        if not choices:
            return None
        self.told(fact)
        return fill(self.rng.choice(choices), self.lang, {"s": fact.subject, "o": fact.object})

    def about(self, entity: Entity, facts: Sequence[Fact]) -> list[str]:
        """Sentences about one entity that tell these facts, one to three at a time."""
        left, found = list(facts), []
        while left:
            count = self.rng.choice((1, 2, 2, 2, 3))
            now, left = left[:count], left[count:]
            predicates = [(fact, self.predicate(fact, entity)) for fact in now]
            found += [self.statement(fact) for fact, text in predicates if text is None]
            said = [text for _, text in predicates if text is not None]
            if said:
                found.append(self._joined(entity, said, first=not found))
        return found

    def _joined(self, entity: Entity, said: list[str], first: bool) -> str:
        kind = entity.gender if entity.kind == "person" else "n"
        pronoun = self._frames["pronoun"][kind]
        subject = self.mention(entity) if first or self.rng.random() < 0.45 else pronoun
        said = [f"{text}," if "," in text and at < len(said) - 1 else text for at, text in enumerate(said)]
        if len(said) == 1:
            return sentence(self.framed(f"{subject} {said[0]}".strip(), FRAMED))
        choices = self._frames["two" if len(said) == 2 else "three"]
        if subject == pronoun:
            choices = choices[: self._frames["elided"][len(said) - 2]]
        template = self.rng.choice(choices)
        if kind == "n":
            template = template.replace(", who {p}", ", which {p}")
        text = (
            template.replace("{S}", subject)
            .replace("{P}", pronoun)
            .replace("{p}", said[0])
            .replace("{q}", said[1])
            .replace("{r}", said[-1])
            .replace(",,", ",")
            .replace(",;", ";")
            .replace(",:", ":")
        )
        text = (contract(text) if self.lang == "es" else text).strip()
        return sentence(self.framed(text, 0.1 if template.startswith("{S}") else 0.0))

    def question(self, fact: Fact) -> str | None:
        """A question about the fact that is not the exam's, or None."""
        if held_fact(fact):
            return None
        about = question_about(fact, reverse=False)
        choices = [
            template
            for template in self._phrasings[fact.relation].q
            if not held_out(phrasing_key(template, about, self.lang))
        ]
        if not choices:
            return None
        return fill(self.rng.choice(choices), self.lang, {"s": fact.subject, "o": fact.object})

    def answer(self, fact: Fact) -> str:
        self.told(fact)
        template = self._phrasings[fact.relation].a[0]
        return sentence(fill(template, self.lang, {"s": fact.subject, "o": fact.object}))
