"""Plain facts of the real world: capitals, authors, planets, days, units, symbols."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.facts import asked, examined
from fragua.corpus.aldea.asking import Asker, ExamItem, Message


def exchange(asker: Asker) -> list[Message] | None:
    return asked(asker, asker.decks.real_fact)


def examine(asker: Asker) -> ExamItem | None:
    return examined(asker, asker.decks.real_fact(), "real_facts")
