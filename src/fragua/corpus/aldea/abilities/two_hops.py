"""Two hops: 'which river flows past Ada's village?', answered with the middle of the way said first."""

from __future__ import annotations

from dataclasses import dataclass

from fragua.corpus.aldea.abilities.facts import names
from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.entities import Entity, Fact, World
from fragua.corpus.aldea.holdout import held_fact
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.relations import phrasings

STARTS = {
    "person": ("lives_in", "lives_in", "lives_in", "friend_of", "married_to", "likes", "owned_by~"),
    "animal": ("owned_by",),
    "dish": ("dish_from",),
    "festival": ("celebrated_in",),
    "landmark": ("landmark_in",),
    "event": ("happened_in",),
    "invention": ("invented_by",),
    "village": ("mayor", "near_river"),
}
"""Where a way begins, and by which relations."""
_KINDS = ("person", "person", "person", *STARTS)
_REPEATS = {"village": ("pueblo de {", "village of {"), "dish": (), "person": (), "river": (), "animal": ()}
"""What a question about a middle of this kind may not say once more."""


@dataclass(frozen=True)
class Way:
    """`start` is joined to `middle` by `first`, `middle` to `end` by `then`."""

    start: Entity
    first: str
    middle: Entity
    then: str
    end: Entity

    @property
    def key(self) -> str:
        return f"hops {self.start.id} {self.first} {self.then}"


def step(world: World, entity: Entity, relation: str) -> tuple[Fact, Entity] | None:
    """(the fact, its other end), from its object where the relation ends in `~`."""
    name, back = relation.removesuffix("~"), relation.endswith("~")
    for fact in world.about(entity):
        if fact.relation == name and (fact.object if back else fact.subject) is entity:
            return fact, fact.subject if back else fact.object
    return None


def way(asker: Asker) -> Way | None:
    """Two facts that may be asked one by one, and whose combination is on this side of the hold-out."""
    world, rng = asker.world, asker.rng
    kind = rng.choice(_KINDS)
    start, first = asker.decks.entity(kind), rng.choice(STARTS[kind])
    here = step(world, start, first)
    if here is None or held_fact(here[0]):
        return None
    then = rng.choice(table("hops.toml")["onward"][here[1].kind])
    there = step(world, here[1], then)
    if there is None or there[1] is start or held_fact(there[0]):
        return None
    found = Way(start, first, here[1], then, there[1])
    return found if asker.mine(found.key) else None


def question(asker: Asker, found: Way) -> str:
    """A question about the end whose hole is filled with 'the village of Ada'."""
    said = phrasings(asker.lang)[found.then.removesuffix("~")]
    hole, templates = ("{o}", said.rq) if found.then.endswith("~") else ("{s}", said.q)
    repeats = (f"{hole}'s", *_REPEATS[found.middle.kind])
    template = asker.rng.choice([t for t in templates if not any(part in t for part in repeats)])
    start: Entity | str = found.start
    if found.start.kind == "person" and asker.rng.random() < 0.5:
        start = found.start.es.bare
    noun = asker.rng.choice(table("hops.toml")["first"][found.first][asker.lang])
    phrase = asker.text(noun, s=start, m=found.middle)
    return asker.sentence(template, s=phrase, o=phrase)


def answer(asker: Asker, found: Way) -> str:
    data, lang = table("hops.toml"), asker.lang
    one = asker.text(data["first"][found.first][f"a_{lang}"], s=found.start, m=found.middle)
    two = asker.text(data["then"][found.then][lang], s=found.middle, o=found.end)
    return asker.sentence(f"{one}, {two}")


def task(asker: Asker) -> Task | None:
    found = way(asker)
    if found is None:
        return None
    return Task(
        asker.opened(question(asker, found)),
        answer(asker, found),
        "answer",
        lambda: _key(found, asker.world),
        tags=[found.first, found.then],
    )


def _key(found: Way, world: World) -> dict[str, list[str]]:
    right = names([found.end])
    fine = {*right, *names([found.start, found.middle])}
    on_the_way = (found.start, found.middle, found.end)
    others = names([each for one in on_the_way for each in world.of_kind(one.kind)])
    return {"accept": right, "reject": [name for name in others if name not in fine]}
