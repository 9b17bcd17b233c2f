"""Streaming: characters are never cut, stop strings never leak, whatever the pieces."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.errors import InputError
from fragua.inference.language_model import LanguageModel
from fragua.inference.stopping import StopStrings, TextStream
from tests.tiny_model import tiny_tokenizer

SMALL = st.text("abñ", max_size=30)


def cut_by_definition(text: str, stops: list[str]) -> str:
    """Reads character by character; ends at the first place where any stop string is complete."""
    for end in range(len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            return text[: end - len(max(complete, key=len))]
    return text


@given(text=SMALL, stops=st.lists(st.text("abñ", min_size=1, max_size=4), max_size=3), cuts=st.data())
@settings(max_examples=500)
def test_the_cut_does_not_depend_on_the_pieces(text: str, stops: list[str], cuts: st.DataObject) -> None:
    stream, shown, left = StopStrings(stops), "", text
    while left:
        size = cuts.draw(st.integers(1, len(left)))
        shown += stream.feed(left[:size])
        left = left[size:]
        assert cut_by_definition(text, stops).startswith(shown), "something shown has to be taken back"
    assert shown + stream.flush() == cut_by_definition(text, stops)


def test_nothing_is_held_back_that_cannot_become_a_stop_string() -> None:
    stream = StopStrings(["</end>"])
    assert [stream.feed(piece) for piece in ("a<", "b", "</en", "x", "</end", ">c")] == [
        "a",
        "<b",
        "",
        "</enx",
        "",
        "",
    ]
    assert stream.stopped


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        StopStrings([""])


@given(text=st.text(max_size=40))
@settings(max_examples=200)
def test_streamed_tokens_give_the_text_and_never_half_a_character(text: str) -> None:
    tokenizer = tiny_tokenizer()
    stream = TextStream(tokenizer.stream())
    pieces = [stream.feed(token) for token in tokenizer.encode(text)]
    assert "".join(pieces) + stream.flush() == text
    if "\ufffd" not in text:
        assert all("\ufffd" not in piece for piece in pieces)


@given(
    data=st.binary(max_size=12).map(lambda raw: raw.decode("latin-1")),
    stop=st.text("ñ😀a", min_size=1, max_size=3),
)
@settings(max_examples=200)
def test_a_stop_string_is_found_across_tokens(data: str, stop: str) -> None:
    tokenizer = tiny_tokenizer()
    text = data + stop + "tail"
    stream = TextStream(tokenizer.stream(), [stop])
    shown = "".join(stream.feed(token) for token in tokenizer.encode(text)) + stream.flush()
    assert stream.stopped and shown == cut_by_definition(text, [stop])


def test_stream_and_generate_say_the_same(lm: LanguageModel) -> None:
    options = {"max_tokens": 40, "temperature": 1.2, "seed": 3, "logprobs": True}
    whole = lm.generate("Había", **options)
    pieces = list(lm.stream("Había", **options))
    assert "".join(piece.text for piece in pieces) == whole.text
    assert [token for piece in pieces for token in piece.tokens] == whole.tokens
    assert [value for piece in pieces for value in piece.logprobs] == whole.logprobs
    assert [piece.finish_reason for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert pieces[-1].finish_reason == whole.finish_reason


def test_a_stop_string_ends_the_answer_before_it(lm: LanguageModel) -> None:
    free = lm.generate("Había", max_tokens=60, temperature=1.0, seed=11)
    stop = free.text[9:13]
    stopped = lm.generate("Había", max_tokens=60, temperature=1.0, seed=11, stop=(stop,))
    assert stopped.finish_reason == "stop"
    assert stopped.text == cut_by_definition(free.text, [stop])
    assert stopped.tokens == free.tokens[: len(stopped.tokens)]
