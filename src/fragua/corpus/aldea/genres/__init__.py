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
    lessons,
    letters,
    news,
    parallel,
    recipes,
    stories,
)
from fragua.corpus.aldea.telling import Teller

GENRES: dict[str, tuple[Callable[[Teller], str | None], int]] = {
    "encyclopaedia": (encyclopaedia.render, 24),
    "news": (news.render, 12),
    "letters": (letters.render, 9),
    "diaries": (diaries.render, 7),
    "stories": (stories.render, 10),
    "dialogues": (dialogues.render, 10),
    "recipes": (recipes.render, 4),
    "lessons": (lessons.render, 6),
    "arithmetic": (arithmetic.render, 4),
    "parallel": (parallel.render, 7),
    "almanac": (almanac.render, 12),
}
"""Genre -> (renderer, weight in bytes)."""
