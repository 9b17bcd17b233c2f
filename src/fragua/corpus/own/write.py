"""Own documents as a corpus directory of a whole life: their text beside Aldea's, conversations and exam of both."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from fragua.corpus.aldea.asking import ExamItem
from fragua.corpus.aldea.exam import grade, item_to_json
from fragua.corpus.aldea.write import write_aldea
from fragua.corpus.build import BuildSettings, build_corpus
from fragua.corpus.card import SPLITS, CorpusCard, write_card
from fragua.corpus.own.lessons import LESSONS, OwnAsker
from fragua.corpus.own.library import LANGS, Library
from fragua.corpus.own.pairs import pairs
from fragua.errors import InputError
from fragua.files import digest_json, read_jsonl, write_jsonl

VALIDATION_SHARE = 0.05
MOST_REPEATS = 8
"""A text read more often than this teaches little more (Muennighoff et al. 2023 saw no loss up to 4)."""
MOST_ROWS = 20_000
MOST_TRIES = 2000
DOCUMENTS, WORLD = "documents", "aldea"


def write_own(
    sources: Sequence[str],
    out: str | Path,
    build: BuildSettings,
    *,
    seed: int = 0,
    max_bytes: int = 8_000_000,
    share: float = 0.5,
    conversations: int = 6000,
    exam: int = 400,
    on_bytes: Callable[[float], None] | None = None,
) -> CorpusCard:
    """Writes `out` as `write_aldea` does, with `documents/` and `aldea/` in it, each a corpus of its own.

    Of the texts (`max_bytes`), conversations and questions, `share` comes from the documents; a small folder's text is
    repeated, at most eight times, and Aldea's takes what is left. Raises InputError where the sources hold no text, or
    none in Spanish or English to make lessons of."""
    out = Path(out)
    own = build_corpus(sources, out / DOCUMENTS, build, on_bytes)
    library = Library(islice((row for _, row in read_jsonl(out / DOCUMENTS / "train.jsonl")), MOST_ROWS))
    if not any(library.told(lang, False) for lang in LANGS):
        raise InputError(
            "the documents hold no sentences in Spanish or English to make lessons of",
            mend="add texts, or name --lang",
        )
    repeats = max(1, min(MOST_REPEATS, int(share * max_bytes / own.bytes)))
    rest = max(100_000, max_bytes - repeats * own.bytes)
    told = round(share * conversations), round(share * exam)
    world = write_aldea(out / WORLD, seed, rest, conversations - told[0], exam - told[1])
    for split in SPLITS:
        times = repeats if split == "train" else 1
        write_jsonl(out / f"{split}.jsonl", _rows(out, split, times))
    rng = random.Random(f"own {seed}")
    aligned = pairs(library.texts)
    taught = [row for _, row in read_jsonl(out / WORLD / "conversations.jsonl")]
    taught += own_conversations(library, aligned, rng, told[0])
    rng.shuffle(taught)
    write_jsonl(out / "conversations.jsonl", taught)
    questions = [item_to_json(item) for item in own_exam(library, aligned, rng, told[1])]
    write_jsonl(out / "exam.jsonl", [*(row for _, row in read_jsonl(out / WORLD / "exam.jsonl")), *questions])
    return write_card(out, _together(own, world, repeats, len(questions), len(aligned)))


def _rows(out: Path, split: str, times: int) -> Iterator[dict[str, Any]]:
    for _ in range(times):
        yield from (row for _, row in read_jsonl(out / DOCUMENTS / f"{split}.jsonl"))
    yield from (row for _, row in read_jsonl(out / WORLD / f"{split}.jsonl"))


def own_conversations(
    library: Library, aligned: Sequence[tuple[str, str]], rng: random.Random, count: int
) -> Iterator[dict[str, Any]]:
    """`count` rows `{messages, ability, lang}` of one exchange each, languages as the documents have them."""
    askers = {lang: OwnAsker(library, aligned, rng, lang, for_exam=False) for lang in LANGS}
    weights = [len(library.told(lang, False)) for lang in LANGS]
    names = list(LESSONS)
    made = missed = 0
    while made < count:
        if missed > MOST_TRIES:
            raise InputError("the documents are too short to make lessons of", mend="add texts")
        lang = rng.choices(LANGS, weights)[0]
        name = rng.choices(names, [LESSONS[name].weight for name in names])[0]
        task = LESSONS[name].task(askers[lang])
        missed = missed + 1 if task is None else 0
        if task is not None:
            made += 1
            yield {"messages": [*task.messages, *task.reply], "ability": name, "lang": lang}


def own_exam(
    library: Library, aligned: Sequence[tuple[str, str]], rng: random.Random, count: int
) -> list[ExamItem]:
    """At most `count` different questions about held-out sentences, spread over lessons and languages."""
    langs = [lang for lang in LANGS if library.told(lang, True)]
    groups = [(name, lang) for name in LESSONS for lang in langs]
    items: list[ExamItem] = []
    asked: set[str] = set()
    for at, (name, lang) in enumerate(groups):
        asker = OwnAsker(library, aligned, rng, lang, for_exam=True)
        wanted = count // len(groups) + (at < count % len(groups))
        mine = 0
        for _ in range(MOST_TRIES):
            if mine == wanted:
                break
            task = LESSONS[name].task(asker)
            if task is None:
                continue
            item = task.item(name, lang)
            if item.thread in asked or not grade(item, item.gold):
                continue
            asked.add(item.thread)
            mine += 1
            items.append(replace(item, id=f"{name}-{lang}-{mine}"))
    rng.shuffle(items)
    return items


def _together(own: CorpusCard, world: CorpusCard, repeats: int, questions: int, aligned: int) -> CorpusCard:
    """One card for both; the documents' own stands in `details`."""

    def added(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
        return {key: a.get(key, 0) + b.get(key, 0) for key in sorted(a.keys() | b.keys())}

    lengths = {
        lang: {
            step: own.lengths.get(lang, {}).get(step, 0) + world.lengths.get(lang, {}).get(step, 0)
            for step in sorted(own.lengths.get(lang, {}).keys() | world.lengths.get(lang, {}).keys())
        }
        for lang in sorted(own.lengths.keys() | world.lengths.keys())
    }
    return own.model_copy(
        update={
            "documents": own.documents + world.documents,
            "bytes": own.bytes + world.bytes,
            "validation_documents": own.validation_documents + world.validation_documents,
            "languages": added(own.languages, world.languages),
            "genres": added(own.genres, world.genres),
            "sources": added(own.sources, world.sources),
            "words": added(own.words, world.words),
            "lengths": lengths,
            "digest": digest_json([own.digest, world.digest, repeats]),
            "details": {
                **world.details,
                "own": {
                    "documents": own.documents,
                    "bytes": own.bytes,
                    "languages": own.languages,
                    "repeats": repeats,
                    "questions": questions,
                    "translations": aligned,
                },
            },
        }
    )
