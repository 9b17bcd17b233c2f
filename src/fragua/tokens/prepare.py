"""From text and conversations to token shards."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from fragua.corpus.source_target import SourceTarget
from fragua.errors import InputError
from fragua.files import read_jsonl
from fragua.progress import progress_bar
from fragua.tokens.shards import dtype_for, write_shards
from fragua.tokens.sources import Texts
from fragua.tokens.tokenizer import Tokenizer

DOCUMENTS_A_BATCH = 512


def tokenize_corpus(
    path: str | Path,
    tokenizer: Tokenizer,
    out: str | Path,
    most_tokens: float = math.inf,
    genres: Collection[str] = (),
) -> dict[str, Any]:
    """Documents as shards, each ended by `<|endoftext|>`; returns the index.

    `path` is a JSONL file of rows `{"text": …}`, a corpus folder (its `train.jsonl`) or a text file (one
    document). `most_tokens`: of the documents from the beginning on, as many as hold so many, in whole batches;
    `genres`: only rows of one of these. The index's `figures` hold `text_bytes` (UTF-8). Raises InputError naming the
    row without a text, or with one that has no UTF-8 form."""
    end = tokenizer.end_id
    if end is None:
        raise InputError("this tokenizer has no end token", mend="name one as eos_token in its configuration")
    figures = {"text_bytes": 0}
    texts = Texts(path, genres)

    def documents() -> Iterator[list[int]]:
        rows, tokens = texts.documents(), 0
        with progress_bar("tokens", texts.path.stat().st_size, "B") as advance:
            while tokens < most_tokens and (batch := list(islice(rows, DOCUMENTS_A_BATCH))):
                size = sum(len(text.encode("utf-8")) for text in batch)
                for ids in tokenizer.encode_batch(batch):
                    tokens += len(ids) + 1
                    yield [*ids, end]
                figures["text_bytes"] += size
                advance(size)

    return write_shards(out, documents(), **_header(tokenizer), figures=figures)


def tokenize_conversations(
    conversations: str | Path | Iterable[Sequence[dict[str, Any]] | dict[str, Any]],
    tokenizer: Tokenizer,
    out: str | Path,
    tools: Sequence[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Conversations as shards with the assistant's tokens marked; returns the index.

    `conversations`: a JSONL file of rows `{"messages": […], "tools"?: […]}`, such rows, or lists of messages. Tool-call
    arguments given as JSON text are written in one canonical form. `tools` is shown to every conversation
    that brings none of its own. Raises InputError naming the row (or conversation, from 0) that is no use."""

    def documents() -> Iterator[tuple[list[int], list[bool]]]:
        for place, messages, own_tools in _conversations(conversations):
            try:
                ids, trained = tokenizer.encode_chat(_canonical(messages), own_tools or tools)
            except InputError as error:
                raise InputError(str(error), place) from error
            if not any(trained):
                raise InputError("nobody learns from it: the assistant says nothing", place)
            yield ids, trained

    return write_shards(out, documents(), **_header(tokenizer))


def tokenize_pairs(
    pairs: Iterable[SourceTarget], tokenizer: Tokenizer, out: str | Path, most: int, together: bool
) -> dict[str, Any]:
    """Pairs as shards, the target and its end marked as what is learned; returns the index.

    `tokenizer` closes its texts (`frames.closed`). A pair is left out, and counted in the index's `figures`, where a
    side has more than `most` tokens, or, `together`, both have. Raises InputError where none is left."""
    end, figures, rows = tokenizer.end_id, {"pairs": 0, "left_out": 0}, iter(pairs)
    assert end is not None, "a tokenizer that closes texts has an end"

    def documents() -> Iterator[tuple[list[int], list[bool]]]:
        while batch := list(islice(rows, DOCUMENTS_A_BATCH)):
            written = tokenizer.encode_batch([pair.target for pair in batch])
            for pair, answer in zip(batch, written, strict=True):
                source, target = tokenizer.source(pair.source), [*answer, end]
                longest = len(source) + len(target) if together else max(len(source), len(target))
                figures["pairs"] += 1
                if longest > most:
                    figures["left_out"] += 1
                else:
                    yield source + target, [False] * len(source) + [True] * len(target)
        if figures["left_out"] == figures["pairs"]:
            what = f"no pair of {figures['pairs']} fits {most} tokens"
            raise InputError(what, mend="shorter texts or a longer context are needed")

    return write_shards(out, documents(), **_header(tokenizer), figures=figures)


def _header(tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "dtype": dtype_for(tokenizer.vocab_size),
        "tokenizer_digest": tokenizer.digest,
        "pad_id": tokenizer.pad_id or 0,
    }


def _conversations(source: str | Path | Iterable[Any]) -> Iterator[tuple[str, Any, Any]]:
    """(where it stands, messages, tools or None)"""
    if isinstance(source, str | Path):
        for number, row in read_jsonl(source):
            yield f"{source}:{number}", row.get("messages"), row.get("tools")
    else:
        for number, item in enumerate(source):
            row = item if isinstance(item, dict) else {"messages": item}
            yield f"conversation {number}", row.get("messages"), row.get("tools")


def _canonical(messages: Any) -> Any:
    """Arguments as objects, so that all are rendered alike. Raises InputError where they are not JSON."""
    if not isinstance(messages, list | tuple):
        return messages  # refused by the tokenizer, in its words
    return [_with_objects(message) for message in messages]


def _with_objects(message: Any) -> Any:
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    if not isinstance(calls, list | tuple) or not all(isinstance(call, dict) for call in calls):
        return message
    return {**message, "tool_calls": [_with_object(call) for call in calls]}


def _with_object(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function", call)
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return call
    try:
        arguments = json.loads(function["arguments"])
    except ValueError as error:
        raise InputError(f"a tool call's arguments are not JSON ({error})") from error
    return {"type": "function", "function": {"name": function.get("name"), "arguments": arguments}}
