"""Writes a world as a corpus directory: texts, conversations, exam, graph and card, streamed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.asking import Asker, Message
from fragua.corpus.aldea.entities import LANGS, World
from fragua.corpus.aldea.exam import exam_items, item_to_json
from fragua.corpus.aldea.genres import GENRES
from fragua.corpus.aldea.telling import Decks, Teller
from fragua.corpus.aldea.world import build_world
from fragua.corpus.card import CorpusCard, CorpusWriter
from fragua.files import write_json, write_jsonl

VALIDATION_SHARE = 0.02
LONG_BYTES = 500
"""A conversation of so many bytes, roles and calls included, begins no further exchange: all fit 256 tokens."""


def documents(world: World, decks: Decks) -> Iterator[dict[str, str]]:
    """Endless rows `{text, lang, genre, source}`: at each step the genre and language furthest behind its share."""
    rng = random.Random(f"aldea texts {world.seed}")
    written = {(genre, lang): 0.0 for genre in GENRES for lang in LANGS}
    source = f"aldea:{world.seed}"
    while True:
        genre, lang = min(written, key=lambda key: written[key])
        render, weight = GENRES[genre]
        teller = Teller(world, rng, lang, decks)
        text = render(teller)
        if text is None:
            continue
        written[genre, lang] += len(text.encode()) / weight
        for fact in teller.facts:
            if fact.index >= 0:
                decks.told[fact.index] += 1
        yield {"text": text, "lang": lang, "genre": genre, "source": source}


def conversation_rows(world: World, count: int) -> Iterator[dict[str, Any]]:
    """`count` rows `{messages, ability, lang, tools?}`: one exchange, or two or three of the same language."""
    rng = random.Random(f"aldea conversations {world.seed}")
    decks = Decks(world, rng)
    names = list(ABILITIES)
    weights = [ABILITIES[name].weight for name in names]
    askers = {lang: Asker(world, rng, lang, for_exam=False, decks=decks) for lang in LANGS}
    made = 0
    while made < count:
        asker = askers[LANGS[made % 2]]
        turns = rng.choices((1, 2, 3), (72, 20, 8))[0]
        messages: list[Message] = []
        offered: dict[str, Any] = {}
        used: list[str] = []
        while len(used) < turns and not offered and len(str(messages).encode()) < LONG_BYTES:
            name = rng.choices(names, weights)[0]
            if used and ABILITIES[name].alone:
                continue
            task = ABILITIES[name].task(asker)
            if task is None:
                continue
            reply = asker.courteous(task.reply) if ABILITIES[name].courteous else task.reply
            messages += [*task.messages, *reply]
            used.append(name)
            if task.tools:
                offered = {"tools": task.tools}
        ability = used[0] if len(used) == 1 else "mixed"
        yield {"messages": messages, "ability": ability, "lang": asker.lang, **offered}
        made += 1


def write_aldea(
    out: str | Path,
    seed: int = 0,
    max_bytes: int = 8_000_000,
    conversations: int = 6000,
    exam: int = 400,
    on_document: Callable[[int], None] | None = None,
) -> CorpusCard:
    """Writes the world of a seed into `out`; the same arguments write the same bytes.

    `max_bytes` bounds the texts of train.jsonl and validation.jsonl together (UTF-8, without the JSON around)."""
    out = Path(out)
    world = build_world(seed)
    decks = Decks(world, random.Random(f"aldea decks {seed}"))
    with CorpusWriter(out, VALIDATION_SHARE, seed) as writer:
        for row in documents(world, decks):
            size = len(row["text"].encode())
            if writer.bytes + size > max_bytes:
                break
            if writer.add(row) and on_document is not None:
                on_document(size)
        write_jsonl(out / "conversations.jsonl", conversation_rows(world, conversations))
        write_jsonl(out / "exam.jsonl", (item_to_json(item) for item in exam_items(world, seed, exam)))
        write_json(out / "graph.json", world.to_json())
        told = sorted(decks.told)
        middle = told[len(told) // 2]
        return writer.finish(
            details={"exposures_per_fact": {"least": told[0], "median": middle, "most": told[-1]}}
        )


def written_per_s(count: int = 400) -> float:
    """Bytes of `count` texts that are rendered here in a second; takes a few tenths of one."""
    world = build_world(0)
    started = time.perf_counter()
    rows = islice(documents(world, Decks(world, random.Random(0))), count)
    return sum(len(row["text"].encode()) for row in rows) / (time.perf_counter() - started)
