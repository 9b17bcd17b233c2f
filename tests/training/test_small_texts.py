"""What a person would lose who trains on a small text: the model as it was before it learned by heart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fragua.evaluation.perplexity import perplexity, read_texts
from fragua.files import read_json, read_jsonl, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.models import Decoder, decoder_config, initialise, load_model
from fragua.models.calls import share
from fragua.training.dropout import add_dropout
from fragua.training.pretrain import PretrainSettings, pretrain
from tests.training.conftest import settings_for


@pytest.fixture(scope="module")
def few(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight texts to read over and over; what is held out is none of them."""
    folder = tmp_path_factory.mktemp("few")
    rows = [row for _, row in read_jsonl(tiny / "corpus" / "train.jsonl")]
    write_jsonl(folder / "corpus" / "train.jsonl", rows[:8])
    write_jsonl(folder / "corpus" / "validation.jsonl", rows[8:28])
    (folder / "tokenizer").symlink_to(tiny / "tokenizer")
    return folder


def overfitting(few: Path, **changes: object) -> PretrainSettings:
    values = {"steps": 60, "evaluate_every": 5, "sample_every": 60, "width": 64, "keep_best": True, **changes}
    return settings_for(few, **values)


def losses(out: Path) -> list[float]:
    rows = (row for _, row in read_jsonl(out / "metrics.jsonl"))
    return [row["validation_loss"] for row in rows if row["step"] % 5 == 0]


def test_the_weights_of_the_lowest_validation_loss_are_kept(few: Path, tmp_path: Path) -> None:
    figures = pretrain(overfitting(few), tmp_path / "best")
    told = losses(tmp_path / "best")
    assert min(told) < told[-1] - 0.05, "it learned by heart"
    assert figures["validation_loss"] == min(told)
    assert figures["best_step"] == 5 * (told.index(min(told)) + 1)
    held_out = list(read_texts(few / "corpus" / "validation.jsonl"))
    last = pretrain(overfitting(few, keep_best=False), tmp_path / "last")
    assert "best_step" not in last and last["validation_loss"] == told[-1]
    best, last_ones = (
        perplexity(LanguageModel.load(tmp_path / name), held_out)["loss"] for name in ("best", "last")
    )
    assert best < last_ones
    assert not (tmp_path / "best" / "checkpoints").exists()


@pytest.mark.parametrize("at", [33, 52])
def test_a_run_that_was_stopped_keeps_the_same_weights(
    few: Path, tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints are far apart: what was best after the last one is found again."""
    settings = overfitting(few, dropout=0.2, checkpoint_every_s=0.0)
    pretrain(settings, tmp_path / "whole")

    def fall(row: dict[str, object]) -> None:
        if row["step"] == at:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        pretrain(settings, tmp_path / "cut", on_step=fall)
    torch.rand(7)
    assert (
        pretrain(settings, tmp_path / "cut")["best_step"]
        == read_json(tmp_path / "whole" / "fragua.json")["figures"]["best_step"]
    )
    whole, cut = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_dropout_changes_training_alone(few: Path, tmp_path: Path) -> None:
    model = Decoder(decoder_config(2, 64, 32, width=32, heads=2))
    initialise(model, 0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    ids_BT = torch.arange(24)[None]
    names, before = list(model.state_dict()), model.eval()(ids_BT).logits
    add_dropout(model, 0.5)
    assert list(model.state_dict()) == names
    torch.testing.assert_close(model(ids_BT).logits, before)
    model.train()
    assert (model(ids_BT).logits - before).abs().max() > 0.01
    torch.testing.assert_close(share(model)(ids_BT).logits, before)
    pretrain(overfitting(few, dropout=0.2, steps=10, keep_best=False), tmp_path / "m")
    assert load_model(tmp_path / "m").config.layers == 1
    drops = [json.loads(line)["loss"] for line in (tmp_path / "m" / "metrics.jsonl").read_text().splitlines()]
    pretrain(overfitting(few, steps=10, keep_best=False), tmp_path / "n")
    plain = [json.loads(line)["loss"] for line in (tmp_path / "n" / "metrics.jsonl").read_text().splitlines()]
    assert drops[0] == pytest.approx(plain[0], abs=1e-5), "the first step begins as the identity"
    assert drops[-1] != plain[-1]
