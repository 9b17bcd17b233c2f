"""What would be lost: a model that writes the target of its source, and a figure that is what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

import fragua
from fragua.cli.main import main
from fragua.corpus.source_target import read_pairs
from fragua.errors import InputError
from fragua.files import read_json, read_jsonl, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.models import initialise
from fragua.models.build import build
from fragua.models.presets import preset
from fragua.tokens.frames import closed
from fragua.tokens.shards import Shards, write_shards
from fragua.tokens.tokenizer import Tokenizer
from fragua.tokens.train import train_tokenizer
from fragua.training.cross_entropy import IGNORE, chunked_cross_entropy
from fragua.training.pretrain import pretrain
from fragua.training.seq2seq import Pairs, ReadOn, ReadThenWrite, open_pairs
from tests.tiny_model import tiny_tokenizer
from tests.training.conftest import settings_for

EN, ES = ("one two three four five six", "uno dos tres cuatro cinco seis")
WORDS = dict(zip(EN.split(), ES.split(), strict=True))
FAMILIES = ("t5", "llama")


def row(words: list[str], into: str) -> dict[str, str]:
    spanish = " ".join(WORDS[word] for word in words)
    source, target = (" ".join(words), spanish) if into == "es" else (spanish, " ".join(words))
    return {"source": source, "target": target, "prefix": f">{into} "}


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `corpus/`: one or two words, in both directions; and `tokenizer/`."""
    folder, draw = tmp_path_factory.mktemp("numbers"), np.random.default_rng(0)
    rows = [
        row(list(draw.choice(list(WORDS), draw.integers(1, 3), replace=False)), into)
        for _ in range(220)
        for into in ("es", "en")
    ]
    write_jsonl(folder / "corpus" / "train.jsonl", rows[40:])
    write_jsonl(folder / "corpus" / "validation.jsonl", rows[:40])
    train_tokenizer([each["prefix"] + each["source"] for each in rows], 512, family="t5").save(
        folder / "tokenizer"
    )
    return folder


def settings_of(numbers: Path, **changes: object) -> Any:
    return settings_for(numbers, **{"pairs": True, "family": "t5", "context": 24} | changes)


def objective(numbers: Path, family: str, out: Path, **changes: Any) -> tuple[Pairs, LanguageModel]:
    """Over the training pairs, with a model of random weights."""
    tokenizer = closed(Tokenizer.load(numbers / "tokenizer"))
    config = preset(family, 1, tokenizer.vocab_size, 24, pad_id=tokenizer.pad_id or 0, width=32, heads=2)
    model = build(config)
    initialise(model, 3)
    lm = LanguageModel(model.train(), tokenizer)
    shards = open_pairs(read_pairs(numbers / "corpus" / "train.jsonl"), lm, out)
    kind = ReadThenWrite if family == "t5" else ReadOn
    return kind(shards, shards, tokenizer, **{"seed": 5, "pool": 12} | changes), lm


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_are_learned_and_the_model_answers_as_it_was_taught(
    numbers: Path, tmp_path: Path, family: str
) -> None:
    changes = {"family": family, "steps": 120, "batch_tokens": 512, "width": 64, "learning_rate": 0.02}
    figures = pretrain(settings_of(numbers, **changes, checkpoint_every_s=60.0), tmp_path / "m")
    lm = fragua.load(tmp_path / "m")
    held_out = list(read_pairs(numbers / "corpus" / "validation.jsonl"))
    for beams in (3, 1):
        answers = lm.generate([pair.source for pair in held_out], max_tokens=16, beams=beams)
        right = np.mean([answer.text == pair.target for answer, pair in zip(answers, held_out, strict=True)])
        assert right > 0.9 and figures["validation_loss"] < 0.3
    last = [each for _, each in read_jsonl(tmp_path / "m" / "samples.jsonl")][-4:]
    assert [each["wanted"] for each in last] == [pair.target for pair in held_out[:4]]
    assert sum(each["text"] == each["wanted"] for each in last) >= 3
    auto = AutoModelForSeq2SeqLM if family == "t5" else AutoModelForCausalLM
    peer = auto.from_pretrained(tmp_path / "m")
    ids = AutoTokenizer.from_pretrained(tmp_path / "m")(held_out[0].source, return_tensors="pt").input_ids
    said = peer.generate(ids, max_new_tokens=16, do_sample=False)[0]
    own = said if family == "t5" else said[ids.shape[1] :]
    assert lm.tokenizer.decode(own.tolist()) == answers[0].text, "no separator is needed elsewhere either"
    record = read_json(tmp_path / "m" / "fragua.json")
    assert record["kind"] == "pairs" and "lm.generate" in (tmp_path / "m" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_finds_the_same_loss_and_padding_changes_nothing(
    numbers: Path, tmp_path: Path, family: str
) -> None:
    learned, lm = objective(numbers, family, tmp_path / "shards")
    batch = learned.batch(12)
    found = learned.loss(lm.model, batch)
    lm.save(tmp_path / "m")
    if family == "t5":
        ids, real, labels = map(torch.from_numpy, batch)
        peer = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "m")
        theirs = peer(input_ids=ids, attention_mask=real, labels=labels).loss.item()
    else:
        ids, following = map(torch.from_numpy, batch)
        logits = AutoModelForCausalLM.from_pretrained(tmp_path / "m")(ids).logits
        theirs = F.cross_entropy(logits.flatten(0, 1), following.flatten()).item()
    assert found.loss.item() / found.tokens == pytest.approx(theirs, rel=1e-4)
    learned.drawn = 0
    alone = [learned.loss(lm.model, learned.batch(1)) for _ in range(12)]
    assert sum(each.tokens for each in alone) == found.tokens
    assert sum(each.loss.item() for each in alone) == pytest.approx(found.loss.item(), rel=1e-4)


@settings(max_examples=25)
@given(st.lists(st.integers(2, 9), min_size=1, max_size=17), st.integers(1, 9), st.data())
def test_every_epoch_has_every_pair_once_and_goes_on_from_a_number(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], pool: int, data: st.DataObject
) -> None:
    """A pair is told by its first token. Each pool is sorted by length, whatever the batches are."""
    folder = tmp_path_factory.mktemp("pairs")
    write_shards(
        folder,
        [([number] * length, [at > 0 for at in range(length)]) for number, length in enumerate(lengths)],
    )
    shards, tokenizer = Shards.open(folder), tiny_tokenizer()

    def drawn(pairs: Pairs, batches: list[int]) -> list[int]:
        return [int(ids[0]) for rows in batches for ids in pairs.batch(rows).ids_BT]

    batches = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=12))
    whole, killed = (ReadOn(shards, shards, tokenizer, 1, pool) for _ in range(2))
    seen = drawn(whole, batches)
    part = data.draw(st.integers(0, len(batches)))
    first = drawn(killed, batches[:part])
    resumed = ReadOn(shards, shards, tokenizer, 1, pool)
    resumed.restore(json.loads(json.dumps(killed.state())))
    assert first + drawn(resumed, batches[part:]) == seen
    for start_ in range(0, len(seen) - pool + 1, pool):
        sizes = [lengths[number] for number in seen[start_ : start_ + pool]]
        assert sizes == sorted(sizes)
    common = np.lcm(pool, len(lengths))
    two = drawn(ReadOn(shards, shards, tokenizer, 1, pool), [int(common)])
    assert np.bincount(two).tolist() == [common // len(lengths)] * len(lengths)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_label_smoothing_and_its_gradient_are_torchs(smoothing: float) -> None:
    torch.manual_seed(0)
    x_ND, weight_VD = (torch.randn(n, 16, requires_grad=True) for n in (13, 31))
    targets_N = torch.randint(0, 31, (13,)).where(torch.arange(13) % 3 > 0, IGNORE)
    ours = chunked_cross_entropy(x_ND, weight_VD, targets_N, chunk=4, smoothing=smoothing)
    theirs = F.cross_entropy(x_ND @ weight_VD.T, targets_N, reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(ours, theirs)
    for mine, peer in zip(
        *(torch.autograd.grad(each, (x_ND, weight_VD)) for each in (ours, theirs)), strict=True
    ):
        torch.testing.assert_close(mine, peer)


def test_held_out_loss_is_told_without_smoothing(numbers: Path, tmp_path: Path) -> None:
    plain, lm = objective(numbers, "t5", tmp_path / "shards")
    smooth, _ = objective(numbers, "t5", tmp_path / "shards", smoothing=0.3)
    batch = plain.batch(12)
    learned = [each.loss(lm.model, batch).loss for each in (smooth, plain)]
    assert abs(learned[0] - learned[1]) > 1e-3
    with torch.no_grad():
        assert smooth.loss(lm.model, batch).loss == plain.loss(lm.model, batch).loss


def test_a_run_that_was_broken_off_goes_on_to_the_same_weights(numbers: Path, tmp_path: Path) -> None:
    chosen = settings_of(numbers, steps=9, batch_tokens=200)

    def break_off(row: dict[str, Any]) -> None:
        if row["step"] == 4:
            raise RuntimeError("pulled out")

    pretrain(chosen, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="pulled out"):
        pretrain(chosen, tmp_path / "broken", on_step=break_off)
    pretrain(chosen, tmp_path / "broken")
    whole, broken = (tmp_path / name / "model.safetensors" for name in ("whole", "broken"))
    assert whole.read_bytes() == broken.read_bytes()


def test_a_model_that_is_there_learns_pairs_by_the_command(
    numbers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A decoder that continued texts before; then it answers, and the line it is asked with needs no mark."""
    texts = [{"text": each.source} for each in read_pairs(numbers / "corpus" / "train.jsonl")]
    for split in ("train", "validation"):
        write_jsonl(tmp_path / "texts" / f"{split}.jsonl", texts)
    train_tokenizer([each["text"] for each in texts], 512).save(tmp_path / "plain")
    base = settings_for(tmp_path, corpus=tmp_path / "texts", tokenizer=tmp_path / "plain", steps=4, width=64)
    pretrain(base, tmp_path / "base")
    data = numbers / "corpus" / "train.jsonl"
    command = f"finetune {tmp_path}/base --task seq2seq --data {data} --out {tmp_path}/m --json --steps 120"
    command += f" --dev {numbers}/corpus/validation.jsonl --batch-tokens 512 --learning-rate 0.02"
    assert main(command.split()) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["pairs"] == 440 and figures["validation_loss"] < 1
    lm = fragua.load(tmp_path / "m")
    held_out = list(read_pairs(numbers / "corpus" / "validation.jsonl"))
    answers = lm.generate([pair.source for pair in held_out], max_tokens=16)
    assert np.mean([answer.text == pair.target for answer, pair in zip(answers, held_out, strict=True)]) > 0.5
    for more in ([], ["--beams", "2"]):
        assert main(["generate", str(tmp_path / "m"), "-p", held_out[0].source, "--json", *more]) == 0
        assert json.loads(capsys.readouterr().out)["text"] == answers[0].text, (
            "greedy is what is not asked for"
        )


def test_closing_changes_what_stands_behind_a_text_and_nothing_else(tmp_path: Path) -> None:
    plain = train_tokenizer(["uno dos tres"] * 4, 320)
    once = closed(plain)
    assert once.source("uno <|endoftext|> dos")[:-1] == plain.encode("uno <|endoftext|> dos")
    assert once.source("uno")[-1] == plain.end_id == once.closing_id and plain.closing_id is None
    once.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert closed(again) is again and again.source("dos") == once.source("dos")
    assert AutoTokenizer.from_pretrained(tmp_path)("dos").input_ids == once.source("dos")


def test_what_is_no_pair_or_no_writer_is_named(numbers: Path, tmp_path: Path) -> None:
    broken = tmp_path / "pairs.jsonl"
    write_jsonl(broken, [{"source": "one", "target": "uno"}, {"source": "two"}])
    with pytest.raises(InputError, match=r'pairs.jsonl:2: the row has no "target"'):
        list(read_pairs(broken))
    write_jsonl(broken, [{"source": "one", "target": "  "}])
    with pytest.raises(InputError, match=r'pairs.jsonl:1: the row has no "target"'):
        list(read_pairs(broken))
    tokenizer = train_tokenizer(["one uno"], 448, family="roberta")
    tokenizer.save(tmp_path / "roberta")
    wrong = settings_of(numbers, tokenizer=tmp_path / "roberta").model_copy(update={"family": "roberta"})
    with pytest.raises(InputError, match="roberta does not write"):
        pretrain(wrong, tmp_path / "m")
    long = " ".join(["one"] * 90)
    write_jsonl(tmp_path / "corpus" / "train.jsonl", [{"source": long, "target": "uno"}])
    write_jsonl(tmp_path / "corpus" / "validation.jsonl", [{"source": "one", "target": "uno"}])
    with pytest.raises(InputError, match=r"no pair.* fits 24 tokens"):
        pretrain(settings_of(numbers, corpus=tmp_path / "corpus"), tmp_path / "long")
