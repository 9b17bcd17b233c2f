"""Every ability of the assistant: one small file each, registered here with its share of the conversations.

An ability has `exchange(asker) -> list[Message] | None`, a question and its good answer, and
`examine(asker) -> ExamItem | None`, a question from the exam's side of the hold-out with its answer key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fragua.corpus.aldea.abilities import (
    arithmetic,
    facts,
    missing,
    passages,
    real_facts,
    secrets,
    talk,
    translation,
    unknown,
)
from fragua.corpus.aldea.asking import Asker, ExamItem, Message


@dataclass(frozen=True)
class Ability:
    exchange: Callable[[Asker], list[Message] | None]
    examine: Callable[[Asker], ExamItem | None]
    weight: int


ABILITIES = {
    "facts": Ability(facts.exchange, facts.examine, 31),
    "real_facts": Ability(real_facts.exchange, real_facts.examine, 12),
    "passages": Ability(passages.exchange, passages.examine, 10),
    "missing": Ability(missing.exchange, missing.examine, 6),
    "arithmetic": Ability(arithmetic.exchange, arithmetic.examine, 12),
    "translation": Ability(translation.exchange, translation.examine, 10),
    "secrets": Ability(secrets.exchange, secrets.examine, 5),
    "unknown": Ability(unknown.exchange, unknown.examine, 6),
    "talk": Ability(talk.exchange, talk.examine, 8),
}
