"""`fragua tokenizer train`: a tokenizer anyone can load, and how well it fits each language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chat_samples import SENTENCES
from typer.testing import CliRunner

from fragua.cli.tokenizer import app
from fragua.errors import InputError
from fragua.tokens.tokenizer import Tokenizer


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rows = [{"text": s, "lang": "en" if "the" in s else "es"} for s in SENTENCES]
    for name in ("train", "validation"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_it_tells_the_choice_and_the_fit(corpus: Path) -> None:
    out = corpus / "t"
    done = CliRunner().invoke(
        app, ["train", str(corpus), "--out", str(out), "--json"], catch_exceptions=False
    )
    told = json.loads(done.stdout)
    assert told["vocab_size"] == Tokenizer.load(out).vocab_size and "8 MiB" in told["why"]
    assert set(told["languages"]) == {"en", "es"} and told["measured_on"] == "validation.jsonl"
    assert all(fit["bytes_per_token"] > 1.5 for fit in told["languages"].values())


def test_a_text_file_and_a_size_will_do(corpus: Path) -> None:
    text, out = corpus / "a.txt", corpus / "t"
    text.write_text("\ufeff" + "\n".join(SENTENCES), encoding="utf-8")
    arguments = ["train", str(text), "--vocab-size", "300", "--out", str(out)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "300 tokens (as asked)" in done.stdout and "bytes per token" in done.stdout


def test_bad_input_is_named(corpus: Path) -> None:
    latin = corpus / "latin.txt"
    latin.write_bytes(b"ok\na\xf1o")
    for source, told in ((latin, "not UTF-8 at byte 4"), (corpus / "none", "no such file")):
        with pytest.raises(InputError, match=told):
            CliRunner().invoke(
                app, ["train", str(source), "--out", str(corpus / "t")], catch_exceptions=False
            )
