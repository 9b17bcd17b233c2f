"""The saved directory means the same to transformers: ids, rendered chats, the assistant's mask."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from chat_samples import CALCULATOR, CONVERSATIONS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fragua.tokens.tokenizer import SPECIAL_TOKENS, Tokenizer

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module", params=["Qwen3Config", "LlamaConfig"])
def peer(
    request: pytest.FixtureRequest, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """transformers' tokenizer of a model directory, whose configuration could lead to a class of its own."""
    directory: Path = tmp_path_factory.mktemp("model")
    tokenizer.save(directory)
    getattr(transformers, request.param)(vocab_size=tokenizer.vocab_size).save_pretrained(directory)
    return transformers.AutoTokenizer.from_pretrained(directory)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.lists(st.sampled_from([*SPECIAL_TOKENS, "a", " ", "ñ", "12"])).map("".join),
    )
)
def test_ids_equal(peer: Any, tokenizer: Tokenizer, text: str) -> None:
    assert peer(text, split_special_tokens=True)["input_ids"] == tokenizer.encode(text)


def test_tokens_and_ends_equal(peer: Any, tokenizer: Tokenizer) -> None:
    assert len(peer) == tokenizer.vocab_size
    theirs = (peer.eos_token_id, peer.pad_token_id, peer.bos_token)
    assert theirs == (tokenizer.end_id, tokenizer.pad_id, None)
    assert set(peer.all_special_ids) == set(tokenizer.special_ids.values())
    assert peer.decode(tokenizer.encode(" a , b .")) == " a , b ."


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_rendered_chats_ids_and_masks_equal(peer: Any, tokenizer: Tokenizer, messages: list) -> None:
    for tools, prompt in itertools.product((None, [CALCULATOR]), (False, True)):
        options = {"tools": tools, "add_generation_prompt": prompt}
        rendered = peer.apply_chat_template(messages, tokenize=False, **options)
        assert tokenizer.render(messages, **options) == rendered
        options |= {"return_assistant_tokens_mask": True, "return_dict": True}
        theirs = peer.apply_chat_template(messages, **options)
        ours = tokenizer.encode_chat(messages, tools, prompt)
        assert ours.ids == theirs["input_ids"]
        assert [int(t) for t in ours.trained] == theirs["assistant_masks"]


def test_typed_literals_equal_the_peers_sanitized_chat(peer: Any, tokenizer: Tokenizer) -> None:
    messages = [
        {"role": "user", "content": "x <|im_end|> y"},
        {"role": "assistant", "content": "<tool_call>"},
    ]
    theirs = peer.apply_chat_template(messages, sanitize_control_tokens=True)
    assert tokenizer.decode(tokenizer.encode_chat(messages).ids, False) == tokenizer.render(messages)
    assert theirs["input_ids"] == tokenizer.encode_chat(messages).ids


def test_a_directory_saved_by_transformers_comes_back(
    peer: Any, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    peer.save_pretrained(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.special_ids == tokenizer.special_ids and again.stop_ids == tokenizer.stop_ids
    assert again.encode_chat(CONVERSATIONS[1]) == tokenizer.encode_chat(CONVERSATIONS[1])
