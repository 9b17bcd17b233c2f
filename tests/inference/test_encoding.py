"""A real sentence encoder gives sentence-transformers' vectors; gaps and labels are as in transformers' pipelines."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from benchmarks.random_peers import scatter

import fragua
from fragua.errors import InputError
from fragua.inference.language_model import LanguageModel

PARAPHRASES = [
    ("The cat sleeps on the sofa.", "A cat is napping on the couch.", "The stock market fell sharply today."),
    ("How do I reset my password?", "I forgot my password, how can I change it?", "What time does it open?"),
    ("He plays the guitar very well.", "He is an excellent guitarist.", "She bought a new car."),
]


@pytest.fixture(scope="module")
def lm(minilm: Path) -> LanguageModel:
    return fragua.load(str(minilm))


@pytest.fixture(scope="module")
def peer(minilm: Path) -> Any:
    sentence_transformers = pytest.importorskip("sentence_transformers", reason="it is the oracle")
    return sentence_transformers.SentenceTransformer(str(minilm), device="cpu")


def pairs(data_dir: Path, count: int) -> list[list[str]]:
    lines = (data_dir / "tatoeba_spa_eng" / "spa.txt").read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[:2] for line in lines[60_000 :: 50_000 // count][:count]]


def test_vectors_equal_those_of_sentence_transformers(lm: LanguageModel, peer: Any, data_dir: Path) -> None:
    sentences = [sentence for pair in pairs(data_dir, 97) for sentence in pair]
    sentences += ["", "palabra " * 400, "ONE", "日本語 😀", "a\nb", "x"]
    assert len(sentences) == 200
    found, wanted = lm.embed(sentences), peer.encode(sentences)
    assert found.shape == (200, 384) and found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_translations_and_paraphrases_rank_as_there(lm: LanguageModel, peer: Any, data_dir: Path) -> None:
    english, spanish = map(list, zip(*pairs(data_dir, 40), strict=True))
    found = lm.embed(english) @ lm.embed(spanish).T
    wanted = peer.encode(english) @ peer.encode(spanish).T
    assert (found.argmax(1) == wanted.argmax(1)).all()
    for sentence, alike, other in PARAPHRASES:
        a, b, c = lm.embed([sentence, alike, other])
        assert a @ b > a @ c + 0.2


def test_pooling_and_length_can_be_chosen(lm: LanguageModel) -> None:
    texts = ["uno dos tres", "cuatro"]
    states = lm.model(torch.tensor([lm.tokenizer.framed(texts[0]).ids])).last_hidden_state[0].detach().numpy()
    for pooling, wanted in {"mean": states.mean(0), "cls": states[0], "last": states[-1]}.items():
        found = lm.embed(texts, pooling=pooling, normalise=False)[0]
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    cut = lm.embed("one two three four five", limit=4)  # [CLS] one two [SEP]
    np.testing.assert_allclose(cut, lm.embed("one two"), atol=1e-5)
    with pytest.raises(InputError, match="pooling"):
        lm.embed("a", pooling="max")


def with_words(kind: str, minilm: Path, folder: Path, **changes: Any) -> Path:
    """A tiny random model of BERT's kind on the real vocabulary."""
    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, **changes
    )
    model = getattr(transformers, kind)(config).eval()
    scatter(model, torch.Generator().manual_seed(1), 0.2)
    model.save_pretrained(folder)
    for name in ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copyfile(minilm / name, folder / name)
    return folder


def test_gaps_are_filled_as_in_transformers(minilm: Path, tmp_path: Path) -> None:
    folder = with_words("BertForMaskedLM", minilm, tmp_path)
    lm, peer = fragua.load(str(folder)), transformers.pipeline("fill-mask", model=str(folder), device="cpu")
    wanted = peer("The capital of [MASK] is Paris.", top_k=7)
    found = lm.fill("The capital of [MASK] is Paris.", top_k=7)
    assert [one.id for one in found] == [one["token"] for one in wanted]
    assert [one.probability for one in found] == pytest.approx([one["score"] for one in wanted], abs=1e-5)
    assert lm.fill("The capital of <mask> is Paris.", top_k=7) == found
    for one, other in zip(found, wanted, strict=True):
        assert one.token == other["token_str"].strip()
        assert one.text.lower().replace(" ", "") == other["sequence"].replace(" ", "")
    two = lm.fill("[MASK] and [MASK].", top_k=3)
    for mine, theirs in zip(two, peer("[MASK] and [MASK].", top_k=3), strict=True):
        assert [one.id for one in mine] == [one["token"] for one in theirs]
    with pytest.raises(InputError, match=r"write \[MASK\]"):
        lm.fill("no gap")


def test_texts_and_pairs_are_labelled_as_in_transformers(minilm: Path, tmp_path: Path) -> None:
    names = {0: "bad", 1: "good", 2: "neither"}
    folder = with_words("BertForSequenceClassification", minilm, tmp_path, id2label=names, num_labels=3)
    lm = fragua.load(str(folder))
    peer = transformers.pipeline("text-classification", model=str(folder), device="cpu", top_k=None)
    texts = ["A fine film.", "Dull, and far too long for what it has to say.", "x"]
    for mine, theirs in zip(lm.classify(texts), peer(texts), strict=True):
        assert mine.label == theirs[0]["label"]
        assert mine.probabilities == pytest.approx({one["label"]: one["score"] for one in theirs}, abs=1e-5)
    mine = lm.classify([("Is it raining?", "Take an umbrella.")])[0]
    theirs = peer([{"text": "Is it raining?", "text_pair": "Take an umbrella."}])[0]
    assert mine.probability == pytest.approx(theirs[0]["score"], abs=1e-5)
    lm.save(tmp_path / "again")
    assert fragua.load(str(tmp_path / "again")).classify(texts) == lm.classify(texts)
    with pytest.raises(InputError, match="fills no gaps"):
        lm.fill("[MASK]")


def test_what_an_encoder_cannot_do_is_told(lm: LanguageModel, tmp_path: Path) -> None:
    for call in (lm.generate, lm.score, lm.fill, lm.classify):
        with pytest.raises(InputError):
            call("hola")
    lm.save(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    bare = fragua.load(str(tmp_path))
    assert bare.model(torch.tensor([[101, 102]])).last_hidden_state.shape == (1, 2, 384)
    with pytest.raises(InputError, match="no tokenizer"):
        bare.embed("hola")
