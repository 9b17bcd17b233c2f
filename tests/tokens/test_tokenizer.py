"""Any text comes back as it was, and no text becomes a special token."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import tokenizers
from chat_samples import SENTENCES
from hypothesis import given
from hypothesis import strategies as st

from fragua.errors import InputError
from fragua.tokens.tokenizer import SPECIAL_TOKENS, Tokenizer
from fragua.tokens.train import train_tokenizer, vocabulary_for

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
WITH_LITERALS = st.lists(st.sampled_from([*SPECIAL_TOKENS, "<|im", "_end|>", "<", ">", "a", " ", "\n"])).map(
    "".join
)


@given(text=st.one_of(ANY_TEXT, WITH_LITERALS))
def test_any_text_round_trips(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode(ids, skip_special=False) == text
    assert b"".join(tokenizer.token_bytes(i) for i in ids) == text.encode()
    assert tokenizer.encode_batch([text]) == [ids]


@given(text=WITH_LITERALS)
def test_user_text_is_never_special(tokenizer: Tokenizer, text: str) -> None:
    assert not set(tokenizer.encode(text)) & set(tokenizer.special_ids.values())


def test_composed_and_decomposed_accents_stay_as_written(tokenizer: Tokenizer) -> None:
    for text in ("é", "e\u0301", "\ufeffx", "\u00a0", "ﬁ", "\r\n", "\x00"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_each_digit_is_a_token(tokenizer: Tokenizer, real_tokenizer: Tokenizer) -> None:
    for t in (tokenizer, real_tokenizer):
        assert [t.decode([i]) for i in t.encode("12345")] == list("12345")
        assert not [
            i for i in range(t.vocab_size) if len(d := t.token_bytes(i)) > 1 and any(48 <= b < 58 for b in d)
        ]


def test_lone_surrogates_and_broken_utf8_are_told_with_their_offset(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match=r"U\+D800 at character 3"):
        tokenizer.encode("año\ud800")
    with pytest.raises(InputError, match="character 1"):
        tokenizer.encode_batch(["bien", "x\udfff"])
    with pytest.raises(InputError, match="byte 4"):
        tokenizer.encode("año".encode() + b"\xff")
    assert tokenizer.encode("año".encode()) == tokenizer.encode("año")


def test_special_tokens_have_ids_and_no_bytes(tokenizer: Tokenizer) -> None:
    assert tokenizer.special_ids == {token: i for i, token in enumerate(SPECIAL_TOKENS)}
    assert (tokenizer.end_id, tokenizer.turn_end_id, tokenizer.pad_id) == (0, 2, 3)
    assert tokenizer.stop_ids == (0, 2), "the pad is never an end"
    assert [tokenizer.token_bytes(i) for i in range(6)] == [b""] * 6
    assert tokenizer.decode([72, 2], skip_special=False).endswith("<|im_end|>")
    assert tokenizer.byte_lengths_V[:6].tolist() == [0] * 6 and tokenizer.byte_lengths_V[6:].min() == 1


def test_an_id_outside_the_vocabulary_is_refused(tokenizer: Tokenizer) -> None:
    for token in (-1, tokenizer.vocab_size):
        with pytest.raises(InputError, match="outside the vocabulary"):
            tokenizer.decode([token])


@given(ids=st.lists(st.integers(6, 511)))
def test_decoding_any_ids_equals_the_librarys(tokenizer: Tokenizer, ids: list[int]) -> None:
    assert tokenizer.decode(ids) == tokenizer._backend.decode(ids)


def test_saving_and_loading_change_nothing(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.digest == tokenizer.digest
    assert again.chat_template == tokenizer.chat_template and again.config == tokenizer.config
    assert {p.name for p in tmp_path.iterdir()} == {
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    }


def test_the_same_texts_give_the_same_tokenizer_in_another_process(tokenizer: Tokenizer) -> None:
    code = (
        "import json, sys; from fragua.tokens.train import train_tokenizer;"
        "print(train_tokenizer(json.load(sys.stdin), 512).digest)"
    )
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, input=json.dumps(SENTENCES * 3), capture_output=True, text=True, check=True)
    assert out.stdout.strip() == tokenizer.digest


def test_a_missing_or_broken_file_is_named(tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        Tokenizer.load(tmp_path)
    tokenizer.save(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{\n"version": ')
    with pytest.raises(InputError, match=r"tokenizer\.json:2: not JSON"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "Nothing"}}')
    with pytest.raises(InputError, match=r"tokenizer\.json: not a tokenizer"):
        Tokenizer.load(tmp_path)
    tokenizer.save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("[1]")
    with pytest.raises(InputError, match=r"tokenizer_config\.json"):
        Tokenizer.load(tmp_path)


def test_a_foreign_directory_loads_with_what_it_has(tmp_path: Path) -> None:
    words = {"<s>": 0, "</s>": 1, "hola": 2, "x": 3}
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, "<s>"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    backend.add_special_tokens(["<s>", "</s>"])
    backend.enable_truncation(1)
    backend.save(str(tmp_path / "tokenizer.json"))
    bare = Tokenizer.load(tmp_path)
    assert bare.encode("hola x hola") == [2, 3, 2]
    assert (bare.end_id, bare.turn_end_id, bare.pad_id, bare.stop_ids) == (None, None, None, ())
    with pytest.raises(InputError, match="no chat template"):
        bare.render([{"role": "user", "content": "x"}])
    template = "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    config = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": template}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    full = Tokenizer.load(tmp_path)
    assert (full.end_id, full.pad_id, full.stop_ids) == (1, None, (1,))
    assert full.encode_chat([{"role": "user", "content": "hola"}]).ids == [0, 2, 1]


def test_the_vocabulary_follows_the_corpus() -> None:
    sizes = [vocabulary_for(n).vocab_size for n in (0, 10**5, 2**21, 8_000_000, 2**23, 2**25, 10**12)]
    assert sizes == [512, 512, 2048, 4096, 4096, 8192, 32768]


def test_a_tiny_corpus_gives_a_whole_multiple_of_64() -> None:
    tiny = train_tokenizer(iter(["hola hola hola"]))
    assert tiny.vocab_size % 64 == 0 and tiny.vocab_size <= 512
    assert tiny.decode(tiny.encode("¿hola? 😀")) == "¿hola? 😀"
    assert train_tokenizer(["hola"], 300).vocab_size == 300, "a size that is asked for is kept"
    with pytest.raises(InputError, match="262 is the least"):
        train_tokenizer(["x"], 100)


def test_roles_and_call_keys_cost_one_token(tokenizer: Tokenizer) -> None:
    for word in ("user", "assistant", "system", "tool", "arguments", '{"'):
        assert len(tokenizer.encode(word)) == 1


def test_real_text_round_trips(real_tokenizer: Tokenizer, data_dir: Path) -> None:
    for lang, floor in (("spa", 2.0), ("eng", 2.0)):
        text = (data_dir / "udhr" / f"{lang}.txt").read_text(encoding="utf-8")
        ids = real_tokenizer.encode(text)
        assert real_tokenizer.decode(ids) == text
        assert len(text.encode()) / len(ids) > floor


@given(text=ANY_TEXT)
def test_characters_are_one_token_each_and_what_is_unknown_its_bytes(text: str) -> None:
    known = set("".join(SENTENCES))
    tokenizer = _characters()
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert len(ids) == sum(1 if character in known else len(character.encode()) for character in text)


@cache
def _characters() -> Tokenizer:
    tokenizer = train_tokenizer(SENTENCES * 2, kind="characters")
    assert tokenizer.vocab_size == 320
    assert all(len(tokenizer.encode(character)) == 1 for character in set("".join(SENTENCES)))
    return tokenizer
