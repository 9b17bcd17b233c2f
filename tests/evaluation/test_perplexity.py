"""Perplexity against the plain definition, and against what training reports."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from fragua.errors import InputError
from fragua.evaluation.perplexity import perplexity, read_texts
from fragua.inference.language_model import LanguageModel

TEXTS = ["Había una vez un pingüino.", "The baker knew it. 😀", "x", ""]


def test_it_is_the_mean_over_every_token_but_the_first(lm: LanguageModel) -> None:
    nats, tokens = 0.0, 0
    for text in TEXTS[:3]:
        ids = [*lm.tokenizer.encode(text), lm.tokenizer.end_id]
        with torch.no_grad():
            logprobs_TV = lm.model(torch.tensor([ids])).logits[0].log_softmax(-1)
        nats -= sum(float(logprobs_TV[at - 1, ids[at]]) for at in range(1, len(ids)))
        tokens += len(ids) - 1
    size = sum(
        len(text.encode()) - len(lm.tokenizer.token_bytes(lm.tokenizer.encode(text)[0])) for text in TEXTS[:3]
    )
    figures = perplexity(lm, TEXTS)
    assert figures["loss"] == pytest.approx(nats / tokens, abs=1e-5)
    assert figures["perplexity"] == pytest.approx(math.exp(nats / tokens), rel=1e-4)
    assert figures["bits_per_byte"] == pytest.approx(nats / math.log(2) / size, rel=1e-5)
    assert (figures["tokens"], figures["bytes"], figures["documents"]) == (tokens, size, 3)


def test_it_is_the_figure_that_training_reports(lm: LanguageModel, tmp_path: Path) -> None:
    """The trainer's validation loss and bits per byte, over the same documents packed into rows."""
    from fragua.tokens.shards import Shards, write_shards
    from fragua.training.objectives import NextToken

    texts = TEXTS[:2] * 3
    end = lm.tokenizer.end_id
    write_shards(tmp_path, ([*lm.tokenizer.encode(text), end] for text in texts), "uint16")
    shards = Shards.open(tmp_path)
    objective = NextToken(shards, shards, lm.tokenizer, lm.context, seed=0, split_long=True)
    with torch.no_grad():
        parts = [objective.loss(lm.model, batch) for batch in objective.validation(2)]
    nats, tokens = sum(float(part.loss) for part in parts), sum(part.tokens for part in parts)
    size = sum(part.metrics["bytes"] for part in parts)
    figures = perplexity(lm, texts)
    assert (figures["tokens"], figures["bytes"]) == (tokens, size)
    assert figures["loss"] == pytest.approx(nats / tokens, abs=1e-5)
    assert figures["bits_per_byte"] == pytest.approx(nats / size / math.log(2), rel=1e-5)


def test_long_documents_are_read_in_windows_and_counted_once(lm: LanguageModel) -> None:
    text = "The baker knew every secret of the village. " * 20
    half, fine = perplexity(lm, [text]), perplexity(lm, [text], stride=8)
    assert half["tokens"] == fine["tokens"] == len(lm.tokenizer.encode(text))
    assert half["loss"] != fine["loss"]


def test_texts_come_from_both_kinds_of_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("uno\ndos\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "uno"}\n\n{"text": "dos"}\n', encoding="utf-8")
    (tmp_path / "c.jsonl").write_text('{"text": "uno"}\n{"txt": "dos"}\n', encoding="utf-8")
    assert list(read_texts(tmp_path / "a.txt")) == ["uno\ndos\n"]
    assert list(read_texts(tmp_path / "b.jsonl")) == ["uno", "dos"]
    with pytest.raises(InputError, match=r'c\.jsonl:2: no "text"'):
        list(read_texts(tmp_path / "c.jsonl"))
    with pytest.raises(InputError, match="no such file"):
        list(read_texts(tmp_path / "d.txt"))


def test_nothing_to_score_is_said(lm: LanguageModel) -> None:
    with pytest.raises(InputError, match="nothing to score"):
        perplexity(lm, ["", ""])
