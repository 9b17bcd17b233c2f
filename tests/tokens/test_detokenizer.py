"""Streaming gives the same text as decoding at once, and never half a character."""

from __future__ import annotations

import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from fragua.tokens.tokenizer import Tokenizer


@given(ids=st.lists(st.integers(0, 511)), skip=st.booleans())
def test_any_ids_stream_to_their_decoding(tokenizer: Tokenizer, ids: list[int], skip: bool) -> None:
    stream = tokenizer.stream(skip)
    pieces = [stream.feed(i) for i in ids]
    assert "".join(pieces) + stream.flush() == tokenizer.decode(ids, skip)


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd")))
def test_no_piece_holds_half_a_character(tokenizer: Tokenizer, text: str) -> None:
    stream = tokenizer.stream()
    pieces = [stream.feed(i) for i in tokenizer.encode(text)]
    assert "".join(pieces) == text and stream.flush() == ""


def test_an_emoji_comes_whole_and_a_cut_one_is_marked_at_the_end(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("😀")
    assert len(ids) == 4
    stream = tokenizer.stream()
    assert [stream.feed(i) for i in ids] == ["", "", "", "😀"]
    assert [stream.feed(i) for i in ids[:2]] == ["", ""] and stream.flush() == "\ufffd"


def test_a_sentencepiece_tokenizer_streams_too() -> None:
    """Not byte-level: a space belongs to the token after it, other characters fall back to bytes."""
    words = ["<unk>", "</s>", "▁hola", "▁mundo", "s", "▁", *(f"<0x{b:02X}>" for b in range(256))]
    vocab = {word: i for i, word in enumerate(words)}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, [], unk_token="<unk>", byte_fallback=True))
    backend.decoder = tokenizers.decoders.Sequence(
        [
            tokenizers.decoders.Replace("▁", " "),
            tokenizers.decoders.ByteFallback(),
            tokenizers.decoders.Fuse(),
            tokenizers.decoders.Strip(" ", 1, 0),
        ]
    )
    backend.add_special_tokens(["</s>"])
    tokenizer = Tokenizer(backend)
    ids = [vocab["▁hola"], vocab["▁mundo"], vocab["s"], vocab["▁"]]
    ids += [vocab[f"<0x{b:02X}>"] for b in "😀".encode()] + [1]
    stream = tokenizer.stream()
    pieces = [stream.feed(i) for i in ids]
    assert "".join(pieces) + stream.flush() == tokenizer.decode(ids) == "hola mundos 😀"
    assert pieces[4:8] == ["", "", "", "😀"]
    assert tokenizer.token_bytes(vocab["▁mundo"]) == b" mundo" and tokenizer.token_bytes(6 + 255) == b"\xff"
