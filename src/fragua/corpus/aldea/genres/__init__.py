"""Every kind of text of the world: one small file each, registered here with its share of the bytes.

A genre is `render(teller) -> str | None`: a document of 40 to 200 words, or None to pass this time."""

from __future__ import annotations

from collections.abc import Callable

from fragua.corpus.aldea.genres import (
    almanac,
    arithmetic,
    dialogues,
    diaries,
    encyclopaedia,
    functions,
    lessons,
    letters,
    news,
    notebook,
    parallel,
    recipes,
    stories,
    timetables,
)
from fragua.corpus.aldea.telling import Teller

GENRES: dict[str, tuple[Callable[[Teller], str | None], int]] = {
    "encyclopaedia": (encyclopaedia.render, 20),
    "news": (news.render, 8),
    "letters": (letters.render, 7),
    "diaries": (diaries.render, 6),
    "stories": (stories.render, 9),
    "dialogues": (dialogues.render, 9),
    "recipes": (recipes.render, 3),
    "lessons": (lessons.render, 17),
    "notebook": (notebook.render, 15),
    "arithmetic": (arithmetic.render, 4),
    "functions": (functions.render, 3),
    "timetables": (timetables.render, 4),
    "parallel": (parallel.render, 8),
    "almanac": (almanac.render, 11),
}
"""Genre -> (renderer, weight in bytes)."""
