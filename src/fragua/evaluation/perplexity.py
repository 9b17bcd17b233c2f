"""Perplexity and bits per byte of a model on held-out texts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fragua.errors import InputError
from fragua.files import read_jsonl, read_text
from fragua.inference.language_model import LanguageModel
from fragua.inference.scoring import score_sequences
from fragua.progress import progress_bar

GROUP = 64
"""Documents scored together."""


def perplexity(lm: LanguageModel, texts: Iterable[str], stride: int | None = None) -> dict[str, Any]:
    """`{"loss", "perplexity", "bits_per_byte", "tokens", "bytes", "documents"}`; `loss` is in nats a token.

    A document is its tokens and the end token, as in training. Every token but the first is scored once, given
    those before it; a document over the context is read in windows that move on by `stride` tokens (half the
    context if not given), so that each token sees at least `context - stride` tokens before it. `bytes` are
    those of the scored tokens: the first token's are not counted, the end token has none, and
    bits per byte = nats / ln 2 / bytes. Raises InputError where there is nothing to score."""
    documents = [text for text in texts if text]
    lengths_V = lm.tokenizer.byte_lengths_V
    end = [] if lm.tokenizer.end_id is None else [lm.tokenizer.end_id]
    nats, tokens, size = 0.0, 0, 0
    with progress_bar("perplexity", len(documents), "documents") as advance:
        for start in range(0, len(documents), GROUP):
            group = documents[start : start + GROUP]
            sequences = [lm.tokenizer.encode(text) + end for text in group]
            for ids, logprobs in zip(
                sequences, score_sequences(lm.decoder, sequences, lm.context, stride), strict=True
            ):
                nats -= math.fsum(logprobs)
                tokens += len(logprobs)
                size += int(lengths_V[ids[1:]].sum())
            advance(len(group), loss=nats / max(tokens, 1))
    if not tokens or not size:
        raise InputError("nothing to score: texts of two tokens or more are needed", "perplexity")
    loss = nats / tokens
    return {
        "loss": loss,
        "perplexity": math.exp(min(loss, 700.0)),
        "bits_per_byte": nats / math.log(2) / size,
        "tokens": tokens,
        "bytes": size,
        "documents": len(documents),
    }


def read_texts(path: str | Path) -> Iterator[str]:
    """A `.jsonl` file's rows' "text", or any other file as one document.

    Raises InputError naming the file, and the line where a row has no text."""
    path = Path(path)
    if path.suffix != ".jsonl":
        yield read_text(path)
        return
    for number, row in read_jsonl(path):
        if not isinstance(row.get("text"), str):
            raise InputError('no "text" in this row', f"{path}:{number}", 'each row is {"text": "…"}')
        yield row["text"]
