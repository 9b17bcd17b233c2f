"""Full-text search over passages: SQLite's FTS5, accents folded, ranked by BM25 (Robertson and Zaragoza 2009)."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from fragua.corpus.clean import clean, pieces
from fragua.corpus.document import Document
from fragua.corpus.words import words
from fragua.errors import InputError

PASSAGE_CHARACTERS = 700
STEM = 6
"""Of a longer word so many first letters are looked for: endings differ between question and text."""

_ASKING = """qué que quién quiénes quien cuál cuáles cuándo cuanto cuánto cuánta cuántos cuántas dónde cómo por de del
el la los las un una en es son era fue se su y a al con para what which who whom whose when where why how many much
do does did is are was were be the an of in on at to for by with it its and"""
ASKING = frozenset(_ASKING.split())
"""Words of questions that say nothing of what is asked about."""


class Passage(NamedTuple):
    text: str
    source: str


class Found(NamedTuple):
    """`score`: BM25, larger is better. `covered`: what the passage holds of the question's words, each weighed by
    how few passages hold it, from 0 to 1."""

    passage: Passage
    score: float
    covered: float


def passages(documents: Iterable[Document], most: int = PASSAGE_CHARACTERS) -> Iterable[Passage]:
    """The documents cut at paragraphs and sentences into passages of at most `most` characters."""
    for document in documents:
        for piece in pieces(clean(document.text), most):
            if piece.strip():
                yield Passage(piece.strip(), document.source)


class PassageIndex:
    """Kept in a temporary file of SQLite's own, that is gone when the index is."""

    def __init__(self, told: Iterable[Passage]):
        """Raises InputError where this Python's SQLite has no FTS5, or there is no passage."""
        self._base = sqlite3.connect("")
        columns = f'text, source UNINDEXED, prefix = "{STEM}", tokenize = "unicode61 remove_diacritics 2"'
        try:
            self._base.execute(f"CREATE VIRTUAL TABLE passage USING fts5({columns})")
        except sqlite3.OperationalError as error:
            raise InputError(
                "this Python's SQLite has no full-text search (FTS5)", mend="use another"
            ) from error
        self._base.executemany("INSERT INTO passage VALUES (?, ?)", told)
        (self.count,) = self._base.execute("SELECT count(*) FROM passage").fetchone()
        if not self.count:
            raise InputError("the documents hold no text to search", mend="give others")

    def search(self, question: str, most: int = 3) -> list[Found]:
        """The best passages first; none where no word of the question stands in any."""
        terms = self._weights(question)
        if not terms:
            return []
        rows = self._base.execute(
            "SELECT rowid, text, source, -bm25(passage) FROM passage WHERE passage MATCH ? "
            "ORDER BY bm25(passage), rowid LIMIT ?",
            (" OR ".join(terms), most),
        ).fetchall()
        return [
            Found(Passage(text, source), score, self._covered(terms, row))
            for row, text, source, score in rows
        ]

    def covered(self, question: str, number: int) -> float:
        """What the passage of this number (from 0, as they were given) holds of the question, from 0 to 1."""
        return self._covered(self._weights(question), number + 1)

    def _weights(self, question: str) -> dict[str, float]:
        """Each query term with its inverse document frequency: a word that stands nowhere weighs most."""
        found = {}
        told = dict.fromkeys(words(question))
        for word in [word for word in told if word not in ASKING] or told:
            term = f'"{word[:STEM]}" *' if len(word) > STEM else f'"{word}"'
            count = self._count(term)
            found[term] = math.log(1 + (self.count - count + 0.5) / (count + 0.5))
        return found

    def _count(self, term: str, row: int | None = None) -> int:
        where = "" if row is None else f" AND rowid = {row}"
        query = f"SELECT count(*) FROM passage WHERE passage MATCH ?{where}"
        (count,) = self._base.execute(query, (term,)).fetchone()
        return int(count)

    def _covered(self, terms: dict[str, float], row: int) -> float:
        held = sum(weight for term, weight in terms.items() if self._count(term, row))
        return held / (sum(terms.values()) or 1.0)
