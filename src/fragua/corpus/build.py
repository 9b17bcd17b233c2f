"""From sources to a corpus directory: cleaned, cut, without duplicates, split by digest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from fragua.corpus.card import CorpusCard, CorpusWriter
from fragua.corpus.clean import clean, pieces
from fragua.corpus.read import read_documents

MOST_CHARACTERS = 10_000
"""A longer document is cut at paragraph borders, so that a lone book too has parts for validation."""


def build_corpus(
    sources: Iterable[str | Path],
    out: str | Path,
    validation_share: float = 0.02,
    seed: int = 0,
    lang: str | None = None,
    column: str = "text",
    most_characters: int = MOST_CHARACTERS,
    on_document: Callable[[int], None] | None = None,
) -> CorpusCard:
    """Writes `train.jsonl`, `validation.jsonl` and `corpus.json` into `out`; memory grows by 16 bytes a document.

    Which split a document falls into depends on its text and the seed alone (but one document at least is kept for
    validation where there are two), so sources may be added later. `on_document` is told each document's bytes.
    Raises InputError for unreadable sources, or when nothing is left."""
    with CorpusWriter(out, validation_share, seed) as writer:
        for document in read_documents(sources, column):
            if on_document is not None:
                on_document(len(document.text.encode("utf-8", "ignore")))
            text = clean(document.text)
            if not text:
                writer.dropped["empty"] += 1
                continue
            for piece in pieces(text, most_characters):
                row = {
                    "text": piece,
                    "lang": lang or document.lang,
                    "genre": document.genre,
                    "source": document.source,
                }
                writer.add(row)
        return writer.finish()
