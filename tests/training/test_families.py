"""What would be lost: a run of each family that learns, shows it, and goes on where it was killed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoModelForPreTraining, AutoModelForSeq2SeqLM, AutoTokenizer

import fragua
from fragua.errors import InputError
from fragua.files import read_jsonl
from fragua.models import initialise, save_model
from fragua.models.build import build
from fragua.models.family_start import start_family
from fragua.models.io import load
from fragua.models.presets import Trained, preset
from fragua.tokens.frames import FRAMES
from fragua.tokens.prepare import tokenize_corpus
from fragua.tokens.shards import Shards
from fragua.tokens.sources import Texts
from fragua.tokens.tokenizer import Tokenizer
from fragua.tokens.train import train_tokenizer
from fragua.training.families import make_objective
from fragua.training.objectives import Objective
from fragua.training.pretrain import pretrain
from tests.training.conftest import settings_for

FAMILIES = sorted(FRAMES)
VARIANTS: list[tuple[str, dict[str, object]]] = [
    *((family, {}) for family in FAMILIES),
    ("bert", {"whole_words": True}),
    ("t5", {"t5_learns": "prefix"}),
]


@pytest.fixture(scope="module")
def framed(tiny: Path) -> Path:
    """A tokenizer a family in `tiny`, and tokens made with it."""
    texts = [text for _, text in Texts(tiny / "corpus")]
    for family in FAMILIES:
        tokenizer = train_tokenizer(texts, 448, family=family)
        tokenizer.save(tiny / family)
        for split in ("train", "validation"):
            tokenize_corpus(tiny / "corpus" / f"{split}.jsonl", tokenizer, tiny / family / split)
    return tiny


def objective(framed: Path, family: str, **choices: object) -> Objective:
    shards = [Shards.open(framed / family / split) for split in ("train", "validation")]
    tokenizer = Tokenizer.load(framed / family)
    return make_objective(family, *shards, tokenizer, 32, 5, **choices)  # type: ignore[arg-type]


def same(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> bool:
    return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


@pytest.mark.parametrize(("family", "choices"), VARIANTS)
def test_batches_go_on_exactly_and_held_out_ones_stay(
    framed: Path, family: str, choices: dict[str, object]
) -> None:
    whole, killed = objective(framed, family, **choices), objective(framed, family, **choices)
    for rows in (3, 7):
        whole.batch(rows)
    killed.restore(whole.state())
    for _ in range(150):  # into the next epoch
        assert same(whole.batch(4), killed.batch(4))
    held_out = [list(each.validation(4)) for each in (whole, killed)]
    assert len(held_out[0]) > 2 and all(same(*pair) for pair in zip(*held_out, strict=True))
    assert {batch[0].shape for batch in held_out[0]} == {whole.batch(4)[0].shape}


def test_masks_of_bert_stay_and_those_of_roberta_do_not(framed: Path) -> None:
    """Ten copies of the text, then the first one again; the same text of RoBERTa is masked otherwise."""
    few = Shards.open(framed / "bert" / "validation")
    bert = make_objective("bert", few, few, Tokenizer.load(framed / "bert"), 32, 5)
    rows: list[list[bytes]] = [[] for _ in range(12)]
    while not rows[11]:
        row = bert.batch(1).ids_BT.tobytes()
        rows[bert.state()["epoch"]].append(row)
    assert sorted(rows[10]) == sorted(rows[0]) and rows[10] != rows[0]
    assert not set(rows[1]) & set(rows[0])
    masks = [objective(framed, "roberta").batch(1).targets_BT]
    again = objective(framed, "roberta")
    state = again.state()
    again.batch(1)
    again.restore(state | {"drawn": 1})
    masks.append(again.batch(1).targets_BT)
    assert not np.array_equal(*masks)


@pytest.mark.parametrize(("family", "choices"), VARIANTS)
def test_a_family_learns_and_shows_it(
    framed: Path, tmp_path: Path, family: str, choices: dict[str, object]
) -> None:
    prompts = [{"lang": "es", "text": "la forja canta"}]
    settings = settings_for(
        framed,
        tokenizer=framed / family,
        family=family,
        steps=40,
        batch_tokens=256,
        sample_prompts=prompts,
        sample_every=40,
        evaluate_every=40,
        checkpoint_every_s=60.0,
        **choices,
    )
    figures = pretrain(settings, tmp_path / "m")
    assert figures["validation_loss"] < 0.75 * np.log(448), "13 words are soon known"
    samples = [row for _, row in read_jsonl(tmp_path / "m" / "samples.jsonl")]
    gap = {"t5": "<extra_id_0>"}.get(family, Tokenizer.load(framed / family).configured("mask_token"))
    asked = "la forja canta" if choices.get("t5_learns") == "prefix" else f"la forja {gap}."
    assert samples[-1]["prompt"] == asked and isinstance(samples[-1]["text"], str)
    call = re.findall(r"print\((lm\..*)\)", (tmp_path / "m" / "README.md").read_text("utf-8"))
    assert eval(call[0], {"lm": fragua.load(tmp_path / "m")}) is not None, "what the card says is what works"


@pytest.mark.parametrize(
    ("family", "auto"),
    [
        ("bert", AutoModelForPreTraining),
        ("roberta", AutoModelForMaskedLM),
        ("t5", AutoModelForSeq2SeqLM),
    ],
)
def test_transformers_finds_the_same_loss_on_the_same_batch(
    framed: Path, tmp_path: Path, family: str, auto: type
) -> None:
    settings = settings_for(framed, tokenizer=framed / family, family=family, steps=2)
    pretrain(settings, tmp_path / "m")
    lm, peer = fragua.load(tmp_path / "m"), auto.from_pretrained(tmp_path / "m").eval()  # type: ignore[attr-defined]
    learned = objective(framed, family)
    batch = learned.batch(4)
    found = learned.loss(lm.model, batch)
    ids, real, *rest = map(torch.from_numpy, batch)
    given = {"input_ids": ids, "attention_mask": real, "labels": torch.from_numpy(batch.targets_BT)}
    if family != "t5":
        given["token_type_ids"] = rest[0]
    if family == "bert":
        given["next_sentence_label"] = rest[-1]
    theirs = peer(**given).loss.item()
    assert found.total(found.tokens).item() == pytest.approx(theirs, rel=1e-4)
    assert (
        AutoTokenizer.from_pretrained(tmp_path / "m")("la forja")["input_ids"]
        == lm.tokenizer.framed("la forja").ids
    )


@pytest.mark.parametrize("family", get_args(Trained))
def test_every_shape_that_is_trained_can_be_loaded(family: Trained, tmp_path: Path) -> None:
    """Also where heads are narrower than usual; the count of parameters is the true one."""
    config = preset(family, 1, 64, 512, pad_id=3, width=64, heads=4)
    model = build(config)
    initialise(model, 0)
    start_family(model, 0)
    save_model(model, tmp_path)
    assert load(tmp_path).config == config
    assert sum(each.numel() for each in model.parameters()) == config.parameters()
    with pytest.raises(InputError, match="width of 60 cannot be parted"):
        preset("bert", 1, 64, 64, pad_id=3, width=60, heads=7)


def test_a_tokenizer_without_the_familys_tokens_is_named(tiny: Path, tmp_path: Path) -> None:
    for family in FAMILIES:
        with pytest.raises(InputError, match=rf"which {family} needs.*--family {family}"):
            pretrain(settings_for(tiny, family=family), tmp_path / family)
