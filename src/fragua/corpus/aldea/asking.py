"""What every ability needs: the world, a language, chance, and the rule of what only the exam may ask."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fragua.corpus.aldea.entities import Entity, Fact, World
from fragua.corpus.aldea.grammar import fill, sentence
from fragua.corpus.aldea.telling import Decks

Message = dict[str, Any]

OPENERS = {
    "es": (
        "Hola. {q}",
        "Oye, {q}",
        "Por favor: {q}",
        "Tengo una duda: {q}",
        "Dime una cosa: {q}",
        "Perdona, {q}",
        "{q} Gracias.",
        "Una pregunta: {q}",
    ),
    "en": (
        "Hello. {q}",
        "Listen, {q}",
        "Please: {q}",
        "Quick question: {q}",
        "Tell me something: {q}",
        "Excuse me, {q}",
        "{q} Thanks.",
        "One question: {q}",
    ),
}


_MARKS = str.maketrans("", "", '¿?¡!«»".,:;')
_LOWERED = ("¿", "Wh", "How", "In ", "Do ", "Tell", "Dime ", "To wh", "On wh")
"""How questions begin whose first letter is small after a comma or colon."""


@dataclass(frozen=True)
class ExamItem:
    """A question with its answer key. `messages` end with the user's; `spec` is what the grader reads."""

    id: str
    family: str
    lang: str
    messages: list[Message]
    grader: str
    spec: dict[str, Any]
    gold: list[Message]
    """A reply that passes, for tests and reports."""
    tags: list[str] = field(default_factory=list)

    @property
    def question(self) -> str:
        return str(self.messages[-1]["content"])


@dataclass
class Asker:
    """`for_exam` says which side of every hold-out this asker may draw from; the two sides never meet."""

    world: World
    rng: random.Random
    lang: str
    for_exam: bool
    decks: Decks

    def mine(self, key: str, share: int = 4) -> bool:
        """Whether this key is on this asker's side: one in `share` keys belongs to the exam."""
        return held_out(self.world.seed, key, share) == self.for_exam

    def text(self, template: str, **holes: Entity | str) -> str:
        return fill(template, self.lang, holes)

    def sentence(self, template: str, **holes: Entity | str) -> str:
        return sentence(fill(template, self.lang, holes))

    def strangers(self) -> list[Entity]:
        return [person for person in self.world.strangers if self.mine(person.id)]

    def template(self, templates: Sequence[str], about: str, share: int = 4) -> str | None:
        """One of the templates that this side may use about this thing, or None; marks make no difference."""

        def key(text: str) -> str:
            return f"{self.lang}|{text.lower().translate(_MARKS)}|{about}"

        mine = [text for text in templates if self.mine(key(text), share)]
        return self.rng.choice(mine) if mine else None

    def opened(self, question: str) -> str:
        """The question as people write it: now and then with an opener, or without capitals and marks."""
        chance = self.rng.random()
        if chance < 0.2:
            opener = self.rng.choice(OPENERS[self.lang])
            if opener.endswith((", {q}", ": {q}")) and question.startswith(_LOWERED):
                question = question[:2].lower() + question[2:]
            return opener.replace("{q}", question)
        if chance < 0.3:
            return question.strip("¿?.").lower() if self.lang == "es" else question.rstrip("?.").lower()
        return question


def held_out(seed: int, key: str, share: int) -> bool:
    """Whether the key belongs to the exam, by digest: the same in every process."""
    digest = hashlib.blake2b(f"{seed}|{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % share == 0


def held_fact(world: World, fact: Fact) -> bool:
    """One fact in seven is never asked in conversations: the texts alone tell it."""
    return held_out(world.seed, f"fact {fact.id}", 7)


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}
