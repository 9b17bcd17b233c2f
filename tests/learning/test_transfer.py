"""Labels on any model: learned, judged, resumed, saved as transformers and PEFT read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import fragua
from fragua.corpus.labelled import read_labelled
from fragua.errors import InputError, RunError
from fragua.files import read_json, read_jsonl
from fragua.learning.transfer import TransferSettings, transfer
from fragua.models.io import load
from fragua.models.labelling import learn_last, with_head
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.labelling import Labelling
from fragua.training.optimizers import layer_rates
from tests.learning.conftest import FAMILIES


def learn(model: Path, data: Path, out: Path, **changes: Any) -> dict[str, Any]:
    values = dict(model=model, data=data, steps=60, learning_rate=3e-3, precision="float32", dev_share=0.2)
    return transfer(TransferSettings.parse(values | changes), out)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_of_model_learns_labels_and_transformers_reads_them(
    family: str, bodies: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    figures = learn(bodies[family], rows / "labels.jsonl", tmp_path / "m")
    assert figures["dev_accuracy"] > 0.9 and figures["dev_rows"] == 32 and figures["rows"] == 128
    config = read_json(tmp_path / "m" / "config.json")
    assert config["id2label"] == {"0": "bad", "1": "good"}
    lm = fragua.load(str(tmp_path / "m"))
    told = [row for _, row in read_jsonl(tmp_path / "m" / "predictions.jsonl")]
    found = lm.classify([row["text"] for row in told])
    assert [each.label for each in found] == [row["predicted"] for row in told]
    peer, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "m", output_loading_info=True, dtype=torch.float32
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    for row, mine in zip(told[:5], found, strict=False):
        framed = lm.tokenizer.framed(row["text"])
        given = {"input_ids": torch.tensor([framed.ids])}
        if family in ("bert", "xlnet"):
            given["token_type_ids"] = torch.tensor([framed.types])
        theirs = peer.eval()(**given).logits[0].softmax(-1).tolist()
        assert list(mine.probabilities.values()) == pytest.approx(theirs, abs=1e-5)
        assert list(row["probabilities"].values()) == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("family", ["bert", "xlnet", "gpt2", "qwen3"])
def test_words_are_tagged_and_transformers_reads_the_tagger(
    family: str, bodies: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    figures = learn(bodies[family], rows / "tags.jsonl", tmp_path / "m", task="tag", steps=120)
    assert figures["dev_span_f1"] > 0.8 and figures["dev_accuracy"] > 0.9
    lm = fragua.load(str(tmp_path / "m"))
    row = next(row for _, row in read_jsonl(tmp_path / "m" / "predictions.jsonl"))
    (tagged,) = lm.tag([row["words"]])
    assert tagged.tags == row["predicted"] and tagged.words == row["words"]
    (said,) = lm.tag("la niña mira lima, de noche")
    assert said.words == ["la", "niña", "mira", "lima", ",", "de", "noche"]
    for entity in said.entities:
        assert "la niña mira lima, de noche"[entity.start : entity.stop] == entity.text
    peer, report = transformers.AutoModelForTokenClassification.from_pretrained(
        tmp_path / "m", output_loading_info=True, dtype=torch.float32
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    framed = lm.tokenizer.framed("la niña mira lima")
    given = {"input_ids": torch.tensor([framed.ids])}
    if family == "xlnet":
        given["token_type_ids"] = torch.tensor([framed.types])
    wanted = peer.eval()(**given).logits
    ids = given["input_ids"]
    types = given.get("token_type_ids")
    mine = lm.model.judge(lm.model.labelled_states(ids, torch.ones_like(ids), types))
    torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-4)


def test_pairs_and_numbers_are_learned(bodies: dict[str, Path], rows: Path, tmp_path: Path) -> None:
    for family in ("bert", "qwen3"):
        out = tmp_path / family
        figures = learn(bodies[family], rows / "numbers.jsonl", out / "n", task="regress", steps=80)
        assert figures["dev_mse"] < 10 and figures["dev_pearson"] > 0.9
        lm = fragua.load(str(out / "n"))
        assert lm.regress("la forja canta bueno")[0] == pytest.approx(107, abs=6)
        with pytest.raises(InputError, match="no head for labels"):
            lm.classify("la forja")
    figures = learn(
        bodies["bert"], rows / "pairs.jsonl", tmp_path / "p", task="pair", steps=300, batch_rows=32
    )
    assert figures["accuracy"] > 0.6, "the words of both texts must be compared"
    (told,) = fragua.load(str(tmp_path / "p")).classify([("la forja bueno", "bueno")])
    assert told.probabilities.keys() == {"False", "True"}


@pytest.mark.parametrize("method", ["last-1", "frozen", "lora"])
def test_what_stands_still_stands_still(
    method: str, bodies: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    for family in ("bert", "gpt2"):
        out = tmp_path / family
        learn(bodies[family], rows / "labels.jsonl", out, method=method, steps=20)
        before, after = load(bodies[family]).state_dict(), load(out).state_dict()
        name = "transformer.blocks.{}.ffn.up.weight"
        same = [torch.equal(before[name.format(layer)], after[name.format(layer)]) for layer in (0, 1)]
        assert same == {"last-1": [True, False], "frozen": [True, True], "lora": [False, False]}[method]
        assert torch.equal(before["transformer.embedding.weight"], after["transformer.embedding.weight"])


def test_peft_reads_the_changes_and_the_head(bodies: dict[str, Path], rows: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="it is the oracle")
    for family in ("bert", "gpt2", "xlnet"):
        out = tmp_path / family
        learn(bodies[family], rows / "labels.jsonl", out, method="lora", steps=20)
        base = transformers.AutoModelForSequenceClassification.from_pretrained(
            bodies[family], num_labels=2, dtype=torch.float32
        )
        theirs = peft.PeftModel.from_pretrained(base, out / "adapter").eval()
        lm = fragua.load(str(out))
        framed = lm.tokenizer.framed("la forja canta bueno")
        ids, types = torch.tensor([framed.ids]), torch.tensor([framed.types])
        given = {"token_type_ids": types} if family in ("bert", "xlnet") else {}
        mine = lm.model(ids, **given).logits
        torch.testing.assert_close(mine, theirs(ids, **given).logits, atol=1e-5, rtol=1e-4)


def test_frozen_states_give_the_losses_of_the_whole_model(bodies: dict[str, Path], rows: Path) -> None:
    for family, task, name in (
        ("bert", "label", "labels"),
        ("t5", "label", "labels"),
        ("gpt2", "tag", "tags"),
    ):
        examples = read_labelled(rows / f"{name}.jsonl", "tag" if task == "tag" else "classify")[:20]
        names = ("B-LOC", "I-LOC", "O") if task == "tag" else ("bad", "good")
        for pooling in ("family", "mean"):
            model = with_head(load(bodies[family]), task, names, pooling=pooling)  # type: ignore[arg-type]
            learn_last(model, 0)
            tokenizer = Tokenizer.load(bodies[family])
            whole, held = (Labelling(model, tokenizer, examples, examples, 0) for _ in range(2))
            held.freeze(model)
            for _ in range(3):
                a, b = whole.loss(model, whole.batch(7)), held.loss(model, held.batch(7))
                assert a.tokens == b.tokens and a.metrics == b.metrics
                torch.testing.assert_close(a.loss, b.loss, atol=1e-4, rtol=1e-5)


def test_an_epoch_sees_each_row_once_in_any_batches(bodies: dict[str, Path], rows: Path) -> None:
    examples = read_labelled(rows / "labels.jsonl", "classify")[:21]
    model = with_head(load(bodies["bert"]), "label", ("bad", "good"))
    by_five, by_nine = (Labelling(model, Tokenizer.load(bodies["bert"]), examples, [], 3) for _ in range(2))
    fives = [id(row.framed.ids) for _ in range(9) for row in by_five.batch(5)]
    assert len(set(fives[:21])) == 21 and len(set(fives[21:42])) == 21 and fives[:21] != fives[21:42]
    places = {id(row.framed.ids): place for place, row in enumerate(by_five.train)}
    nines = {id(row.framed.ids): place for place, row in enumerate(by_nine.train)}
    drawn = [nines[id(row.framed.ids)] for _ in range(5) for row in by_nine.batch(9)]
    assert drawn == [places[each] for each in fives]


def test_deeper_layers_learn_slower(bodies: dict[str, Path]) -> None:
    rates = layer_rates(with_head(load(bodies["bert"]), "label", ("a", "b")), 0.5, 10.0)
    assert rates["classifier.weight"] == rates["pooler.dense.weight"] == 10
    assert rates["transformer.blocks.1.ffn.up.weight"] == 1
    assert rates["transformer.blocks.0.ffn.up.weight"] == 0.5
    assert rates["transformer.embedding.weight"] == rates["transformer.position.norm.bias"] == 0.25
    both = layer_rates(with_head(load(bodies["t5"]), "label", ("a", "b")), 0.5, 10.0)
    assert both["transformer.norm.weight"] == 1 and both["transformer.blocks.0.cross.qkv.weight"] == 0.5
    assert both["encoder.blocks.1.attention.qkv.weight"] == both["encoder.norm.weight"] == 0.25
    assert both["transformer.embedding.weight"] == 0.0625


def test_a_run_that_was_stopped_ends_with_the_same_weights(
    bodies: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    values = dict(checkpoint_every_s=0.0, steps=20, patience=100)
    learn(bodies["bert"], rows / "labels.jsonl", tmp_path / "whole", **values)

    def stop(row: dict[str, Any]) -> None:
        if row["step"] == 9:
            raise RunError("stopped")

    given = dict(
        model=bodies["bert"],
        data=rows / "labels.jsonl",
        learning_rate=3e-3,
        precision="float32",
        dev_share=0.2,
        **values,
    )
    with pytest.raises(RunError):
        transfer(TransferSettings.parse(given), tmp_path / "cut", on_step=stop)
    transfer(TransferSettings.parse(given), tmp_path / "cut")
    a, b = load(tmp_path / "whole").state_dict(), load(tmp_path / "cut").state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    predictions = [(tmp_path / name / "predictions.jsonl").read_text() for name in ("whole", "cut")]
    assert predictions[0] == predictions[1]


def test_it_stops_early_and_keeps_the_best_weights(
    bodies: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    figures = learn(
        bodies["bert"], rows / "labels.jsonl", tmp_path / "m", steps=400, learning_rate=0.05, patience=2
    )
    told = [row for _, row in read_jsonl(tmp_path / "m" / "metrics.jsonl") if "validation_loss" in row]
    best = min(told, key=lambda row: row["validation_loss"])
    assert figures["step"] < 400 and figures["step"] - best["step"] == 80
    assert figures["validation_loss"] == best["validation_loss"]
    assert figures["dev_log_loss"] == pytest.approx(best["validation_loss"], abs=1e-4)


def test_from_scratch_takes_the_shape_alone(bodies: dict[str, Path], rows: Path, tmp_path: Path) -> None:
    learn(bodies["bert"], rows / "labels.jsonl", tmp_path / "m", from_scratch=True, seed=7, steps=1)
    before, after = load(bodies["bert"]), load(tmp_path / "m")
    assert after.config.layers == before.config.layers
    assert not torch.allclose(
        before.transformer.embedding.weight, after.transformer.embedding.weight, atol=0.01
    )
    assert read_json(tmp_path / "m" / "fragua.json")["parents"] == []


def test_a_head_for_the_same_labels_is_gone_on_with(bodies: dict[str, Path]) -> None:
    first = with_head(load(bodies["bert"]), "label", ("a", "b"), seed=1)
    again, other = (with_head(first, "label", names, seed=2) for names in (("a", "b"), ("a", "c")))
    assert again.classifier.weight is first.classifier.weight
    assert not torch.equal(other.classifier.weight, first.classifier.weight)
    assert other.transformer.embedding.weight is first.transformer.embedding.weight


def test_the_mean_of_all_states_is_kept_when_saved(bodies: dict[str, Path], tmp_path: Path) -> None:
    model = with_head(load(bodies["roberta"]), "label", ("a", "b"), pooling="mean", seed=1)
    from fragua.models.io import save_model

    save_model(model, tmp_path)
    again = load(tmp_path)
    assert again.config.pooling == "mean" and again.config == model.config
    ids = torch.randint(5, 60, (2, 9))
    torch.testing.assert_close(again(ids).logits, model.eval()(ids).logits)
    x_BTD = model.states(ids)
    torch.testing.assert_close(again(ids).logits, model.classifier(x_BTD.mean(1)), atol=1e-5, rtol=1e-4)


def test_words_that_were_cut_off_are_outside(bodies: dict[str, Path]) -> None:
    tokenizer = Tokenizer.load(bodies["bert"])
    text = "forja " * 60
    bounds = [(start, start + 5) for start in range(0, 360, 6)]
    framed, places = tokenizer.framed_words(text, bounds, 20)
    assert len(framed.ids) == 20 and places[0] == 1 and places[-1] is None
    starts = [place for place in places if place is not None]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_token_of_each_word_is_found(family: str, bodies: dict[str, Path]) -> None:
    tokenizer = Tokenizer.load(bodies[family])
    words = ["La", "niña", "«mira»", "ñandúes", ",", "12,5", "😀", "x"]
    text = " ".join(words)
    stops = np.cumsum([len(word) + 1 for word in words]) - 1
    bounds = [(int(stop) - len(word), int(stop)) for word, stop in zip(words, stops, strict=True)]
    framed, places = tokenizer.framed_words(text, bounds)
    assert None not in places
    for number, place in enumerate(places):
        end = places[number + 1] if number + 1 < len(places) else len(framed.ids)
        said = tokenizer.decode(framed.ids[place:end]).strip()
        assert said == words[number] or "\ufffd" in said
