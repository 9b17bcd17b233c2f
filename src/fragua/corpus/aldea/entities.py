"""What the world is made of: entities with Spanish and English forms, and facts that join two of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LANGS = ("es", "en")


@dataclass(frozen=True, slots=True)
class Forms:
    """How one language names an entity: in a sentence, bare (a person's first name), with the indefinite article."""

    full: str
    bare: str
    indefinite: str
    feminine: str = ""
    """The bare form that agrees with a woman, for trades in Spanish."""


@dataclass(frozen=True, slots=True)
class Entity:
    id: str
    kind: str
    gender: str
    es: Forms
    en: Forms

    def forms(self, lang: str) -> Forms:
        return self.es if lang == "es" else self.en

    def names(self) -> list[str]:
        """Every way to name it, in both languages, for graders."""
        found = [f for forms in (self.es, self.en) for f in (forms.full, forms.bare, forms.feminine)]
        return list(dict.fromkeys(name for name in found if name))


@dataclass(frozen=True, slots=True)
class Fact:
    """`subject` stands in `relation` to `object`; `index` is its place in `World.facts`."""

    index: int
    relation: str
    subject: Entity
    object: Entity

    @property
    def id(self) -> str:
        return f"{self.subject.id}/{self.relation}/{self.object.id}"


@dataclass(frozen=True, slots=True)
class Secret:
    """What a person hides and where: told in a diary, never by the assistant."""

    person: Entity
    thing: tuple[str, str]
    place: tuple[str, str]

    def parts(self, lang: str) -> tuple[str, str]:
        number = 0 if lang == "es" else 1
        return self.thing[number], self.place[number]


@dataclass(frozen=True)
class World:
    """A closed world: the entities of its valley, its facts, its secrets, and the plain facts of the real world."""

    seed: int
    entities: tuple[Entity, ...]
    facts: tuple[Fact, ...]
    real_entities: tuple[Entity, ...]
    real_facts: tuple[Fact, ...]
    secrets: dict[str, Secret]
    strangers: tuple[Entity, ...]
    """People who do not exist in this world; their names serve passages and 'I don't know'."""
    strays: tuple[Entity, ...]
    """Their animals."""
    _about: dict[str, list[Fact]] = field(default_factory=dict, repr=False, compare=False)
    _kinds: dict[str, list[Entity]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for entity in (*self.entities, *self.real_entities):
            self._kinds.setdefault(entity.kind, []).append(entity)
        for fact in self.all_facts:
            self._about.setdefault(fact.subject.id, []).append(fact)
            self._about.setdefault(fact.object.id, []).append(fact)

    @property
    def all_facts(self) -> tuple[Fact, ...]:
        return self.facts + self.real_facts

    def of_kind(self, kind: str) -> list[Entity]:
        return self._kinds.get(kind, [])

    def about(self, entity: Entity) -> list[Fact]:
        """The facts in which the entity is subject or object."""
        return self._about.get(entity.id, [])

    def said_of(self, entity: Entity) -> list[Fact]:
        return [fact for fact in self.about(entity) if fact.subject is entity]

    def find(self, entity: Entity, relation: str) -> Entity | None:
        """The object of the first such fact about `entity`."""
        for fact in self.about(entity):
            if fact.relation == relation and fact.subject is entity:
                return fact.object
        return None

    def to_json(self) -> dict[str, Any]:
        """Entities with their names, facts as triples, secrets apart."""

        def row(entity: Entity) -> dict[str, str]:
            return {
                "id": entity.id,
                "kind": entity.kind,
                "gender": entity.gender,
                "es": entity.es.full,
                "en": entity.en.full,
            }

        def triples(facts: tuple[Fact, ...]) -> list[list[str]]:
            return [[fact.subject.id, fact.relation, fact.object.id] for fact in facts]

        return {
            "seed": self.seed,
            "entities": [row(entity) for entity in self.entities],
            "facts": triples(self.facts),
            "secrets": [
                {"person": s.person.id, "es": " ".join(s.parts("es")), "en": " ".join(s.parts("en"))}
                for s in self.secrets.values()
            ],
            "real_entities": [row(entity) for entity in self.real_entities],
            "real_facts": triples(self.real_facts),
        }
