"""Plain facts of the real world: capitals, authors, planets, days, units, symbols."""

from __future__ import annotations

from fragua.corpus.aldea.abilities.facts import about
from fragua.corpus.aldea.asking import Asker, Task


def task(asker: Asker) -> Task | None:
    return about(asker, asker.decks.real_fact())
