"""Adapting a model that is there: its shape and words stay, gain and loss are measured, bad names stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fragua.errors import InputError
from fragua.files import read_json, write_json, write_jsonl
from fragua.models.io import load_model
from fragua.models.lora import load_adapter
from fragua.recipes.recipe import Recipe, load_recipe
from fragua.recipes.run import run
from tests.recipes.conftest import Quiet


def adapt(model: Path, **more: Any) -> Recipe:
    told = {"adapt.model": f'"{model}"', **more}
    return load_recipe("adapt", [f"{key}={value}" for key, value in told.items()])


SMALL = {
    "corpus.megabytes": 0.3,
    "corpus.conversations": 40,
    "pretrain.tokens": 4096,
    "pretrain.batch_tokens": 1024,
    "pretrain.precision": '"float32"',
    "pretrain.compile": '"off"',
    "finetune.epochs": 1,
    "finetune.batch_tokens": 1024,
    "exam.items": 4,
}


def test_an_adapted_model_is_measured_before_and_after_and_is_ready_to_serve(
    tiny_dir: Path, tmp_path: Path
) -> None:
    said = [{"role": "user", "content": "la forja"}, {"role": "assistant", "content": "canta"}]
    write_jsonl(tmp_path / "examples.jsonl", [{"messages": said}])
    (tmp_path / "general.txt").write_text("La niña que vivía junto al río preguntó cuánto es 12*37. " * 20)
    files = {"examples": "examples.jsonl", "general": "general.txt"}
    more = {f"adapt.{key}": f'"{tmp_path / name}"' for key, name in files.items()}
    recipe, out = adapt(tiny_dir, **SMALL, **more), tmp_path / "life"
    run(recipe, out, Quiet())
    exams = [read_json(out / "exam" / f"{name}.json") for name in ("origin", "base", "assistant")]
    bits = [exam["bits_per_byte"] for exam in exams]
    assert all(set(each) == {"aldea", "general"} for each in bits)
    assert bits[1]["aldea"] < bits[0]["aldea"], "what it reads it learns"
    assert (out / "tokenizer" / "tokenizer.json").read_bytes() == (tiny_dir / "tokenizer.json").read_bytes()
    shapes = [load_model(folder).config for folder in (tiny_dir, out / "base", out / "assistant")]
    assert shapes[0].model_copy(update={"pad_id": shapes[1].pad_id}) == shapes[1] == shapes[2]
    load_adapter(load_model(out / "base"), out / "assistant" / "adapter")
    assert '"content": "la forja"' in (out / "corpus" / "conversations.jsonl").read_text()
    assert read_json(out / "base" / "fragua.json")["parents"][0]["name"] == tiny_dir.name
    for folder in ("base", "assistant"):
        card = (out / folder / "README.md").read_text()
        assert f"adaptado de `{tiny_dir.name}`" in card and f"adapted from `{tiny_dir.name}`" in card
    page = (out / "report" / "index.html").read_text()
    assert "Gained and forgotten" in page and f"{bits[2]['general']:.3f}" in page
    again = Quiet()
    run(recipe, out, again)
    assert {what for what, _ in again.told} == {"skipped"}


def test_what_can_not_be_adapted_is_refused_with_its_mend(tiny_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no model is named \(adapt.model\)"):
        load_recipe("adapt")
    with pytest.raises(InputError, match=r"no config\.json"):
        adapt(tmp_path)
    with pytest.raises(InputError, match=r"pretrain.depth = 5, the model has 2"):
        adapt(tiny_dir, **{"pretrain.depth": 5})
    with pytest.raises(InputError, match="no such file"):
        adapt(tiny_dir, **{"adapt.general": '"none.txt"'})
    config = dict(model_type="bert", vocab_size=99, hidden_size=8, num_hidden_layers=1)
    write_json(tmp_path / "config.json", config | dict(num_attention_heads=2, intermediate_size=8))
    with pytest.raises(InputError, match="bert does not continue a text"):
        adapt(tmp_path)
