"""What every ability needs: the world, a language, chance, and its side of the hold-out."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fragua.corpus.aldea.entities import Entity, World
from fragua.corpus.aldea.grammar import fill, sentence
from fragua.corpus.aldea.holdout import SHARE, held_out, phrasing_key
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


COURTESY = {
    "es": ("Hola.", "Un placer.", "Gracias por escribir."),
    "en": ("Hello.", "My pleasure.", "Thanks for writing."),
}
"""How an answer may begin. Some do, so that there is something for people to like better or worse. The same words stand
before answers of all kinds: a courtesy must not decide what is said after it (docs/decisions/0019)."""
COURTESIES = tuple(opener for openers in COURTESY.values() for opener in openers)
COURTEOUS_SHARE = 0.4


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
    tools: list[dict[str, Any]] = field(default_factory=list)
    """Schemas of the tools that the prompt declares, in OpenAI's form; `spec` holds what the right call returns."""

    @property
    def question(self) -> str:
        return str(self.messages[-1]["content"])

    @property
    def thread(self) -> str:
        """Everything said before the reply, in small letters: two items with the same thread are one."""
        return "\n".join(str(message["content"]) for message in self.messages).lower()


@dataclass(frozen=True)
class Task:
    """A question with its good answer: conversations teach it, the exam asks it."""

    request: str
    answer: str | list[Message]
    """What is said, or all messages where a tool is called."""
    grader: str
    key: Callable[[], dict[str, Any]]
    """What the grader reads: made for the exam alone, without drawing from chance."""
    tags: list[str] = field(default_factory=list)
    before: list[Message] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    """Schemas of the tools that the prompt declares, in OpenAI's form."""

    @property
    def messages(self) -> list[Message]:
        return [*self.before, user(self.request)]

    @property
    def reply(self) -> list[Message]:
        return [assistant(self.answer)] if isinstance(self.answer, str) else self.answer

    def item(self, family: str, lang: str) -> ExamItem:
        return ExamItem(
            "", family, lang, self.messages, self.grader, self.key(), self.reply, self.tags, self.tools
        )


@dataclass
class Asker:
    """`for_exam` says which side of every hold-out this asker may draw from; the two sides never meet."""

    world: World
    rng: random.Random
    lang: str
    for_exam: bool
    decks: Decks

    @property
    def column(self) -> int:
        """Of a row [Spanish, English], which is this language's."""
        return 0 if self.lang == "es" else 1

    def mine(self, key: str, share: int = SHARE) -> bool:
        """Whether this key is on this asker's side: one in `share` keys belongs to the exam."""
        return held_out(key, share) == self.for_exam

    def text(self, template: str, **holes: Entity | str) -> str:
        return fill(template, self.lang, holes)

    def sentence(self, template: str, **holes: Entity | str) -> str:
        return sentence(fill(template, self.lang, holes))

    @cached_property
    def strangers(self) -> list[Entity]:
        return [person for person in self.world.strangers if self.mine(person.id)]

    def template(self, templates: Sequence[str], about: str, share: int = SHARE) -> str | None:
        """One of the templates that this side may use about this thing, or None; marks make no difference."""
        mine = [text for text in templates if self.mine(phrasing_key(text, about, self.lang), share)]
        return self.rng.choice(mine) if mine else None

    def opened(self, question: str) -> str:
        """The question as people write it: now and then with an opener, or without capitals and marks.

        The exam asks it as it is."""
        if self.for_exam:
            return question
        chance = self.rng.random()
        if chance < 0.2:
            colon = ": " in question
            opener = self.rng.choice([o for o in OPENERS[self.lang] if not (colon and ": " in o)])
            if opener.endswith((", {q}", ": {q}")) and question.startswith(_LOWERED):
                question = question[:2].lower() + question[2:]
            return opener.replace("{q}", question)
        if chance < 0.3:
            return question.strip("¿?.").lower() if self.lang == "es" else question.rstrip("?.").lower()
        return question

    def courteous(self, reply: list[Message]) -> list[Message]:
        """The reply, whose last words now and then begin with a courtesy."""
        if self.rng.random() >= COURTEOUS_SHARE:
            return reply
        opener = self.rng.choice(COURTESY[self.lang])
        return [*reply[:-1], assistant(f"{opener} {reply[-1]['content']}")]


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def called(name: str, arguments: dict[str, str], result: str, said: str) -> list[Message]:
    """The call of a tool, its result, and the sentence that carries it."""
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": result},
        assistant(said),
    ]
