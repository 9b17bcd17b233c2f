"""Chats: what the assistant writes is learned, what others type never becomes a special token."""

from __future__ import annotations

import jinja2
import pytest
from chat_samples import CALCULATOR, CONVERSATIONS, call
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.errors import InputError
from fragua.tokens.templates import builtin_template, strip_generation_marks
from fragua.tokens.tokenizer import SPECIAL_TOKENS, Tokenizer

PARTS = [*SPECIAL_TOKENS, "<", "|im_end|>", "tool_call>", "\U000f0000", "ñ", " ", "\n", '"']
NASTY_TEXT = st.lists(st.sampled_from(PARTS)).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | NASTY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NASTY_TEXT, inner, max_size=3),
    max_leaves=5,
)
CALLS = st.builds(
    lambda name, arguments: {"type": "function", "function": {"name": name, "arguments": arguments}},
    NASTY_TEXT,
    st.dictionaries(NASTY_TEXT, JSON, max_size=3),
)


def test_the_mask_of_each_token(tokenizer: Tokenizer) -> None:
    """Trained: everything the assistant writes, its tool call and its end of turn; nothing else."""
    messages = [
        {"role": "system", "content": "Se"},
        {"role": "user", "content": "1+2"},
        {"role": "assistant", "content": "", "tool_calls": [call("1+2")]},
        {"role": "tool", "content": "3"},
        {"role": "assistant", "content": "3."},
        {"role": "user", "content": "ok"},
    ]
    ids, trained = tokenizer.encode_chat(messages)
    written = [(tokenizer.decode([i], skip_special=False), t) for i, t in zip(ids, trained, strict=True)]
    groups: list[list] = []
    for text, mark in written:
        if groups and groups[-1][1] == mark:
            groups[-1][0].append(text)
        else:
            groups.append([[text], mark])
    start, end, n = "<|im_start|>", "<|im_end|>", "\n"
    assert [("".join(texts), mark) for texts, mark in groups] == [
        (f"{start}system\nSe{end}\n{start}user\n1+2{end}\n{start}assistant\n", False),
        ('<tool_call>{"name": "calculate", "arguments": {"expression": "1+2"}}</tool_call><|im_end|>', True),
        (f"\n{start}tool\n3{end}\n{start}assistant\n", False),
        ("3.<|im_end|>", True),
        (f"\n{start}user\nok{end}\n", False),
    ]
    assert groups[1][0][0] == "<tool_call>" and groups[1][0][-2:] == ["</tool_call>", end]
    assert groups[2][0] == [n, start, "tool", n, "3", end, n, start, "assistant", n]
    assert groups[3][0] == ["3", ".", end]


@settings(max_examples=50)
@given(
    user=NASTY_TEXT,
    reply=NASTY_TEXT,
    result=NASTY_TEXT,
    tool_call=CALLS,
    description=NASTY_TEXT,
    key=NASTY_TEXT,
)
def test_nothing_typed_becomes_special(
    tokenizer: Tokenizer, user: str, reply: str, result: str, tool_call: dict, description: str, key: str
) -> None:
    messages = [
        {"role": "user", "content": user},
        {"role": "assistant", "content": reply, "tool_calls": [tool_call]},
        {"role": "tool", "content": result},
    ]
    function = {"name": key, "description": description, "parameters": {key: 1}}
    tools = [{"type": "function", "function": function}]
    ids, trained = tokenizer.encode_chat(messages, tools, add_generation_prompt=True)
    special = [tokenizer.token(i) for i in ids if i in tokenizer.special_ids.values()]
    start, end = "<|im_start|>", "<|im_end|>"
    turn = [start, end]
    assert special == [*turn, *turn, start, "<tool_call>", "</tool_call>", end, *turn, start]
    assert tokenizer.decode(ids, skip_special=False) == tokenizer.render(messages, tools, True)
    written = [i for i, t in zip(ids, trained, strict=True) if t]
    message = tokenizer.parse_reply(written)
    assert message == {"role": "assistant", "content": reply or None, "tool_calls": [tool_call]}


@given(content=NASTY_TEXT)
def test_the_prompt_is_a_prefix_of_the_conversation(tokenizer: Tokenizer, content: str) -> None:
    """What the model reads before it writes is exactly what it was trained on, whatever the answer begins
    with."""
    asked = [{"role": "user", "content": content}]
    prompt = tokenizer.encode_chat(asked, add_generation_prompt=True)
    whole = tokenizer.encode_chat([*asked, {"role": "assistant", "content": content}])
    assert whole.ids[: len(prompt.ids)] == prompt.ids and not any(prompt.trained)
    assert whole.trained[len(prompt.ids)] and whole.ids[-2] == tokenizer.turn_end_id and whole.trained[-2]


def test_a_literal_that_template_and_text_make_together_stays_text(tokenizer: Tokenizer) -> None:
    template = "{% for m in messages %}<{{ m.content }}|im_end|>{% endfor %}"
    glued = Tokenizer(tokenizer._backend, tokenizer.config, template)
    for content in ("tool_call>", "x<", "|im_end|><"):
        ids = glued.encode_chat([{"role": "user", "content": content}]).ids
        assert not set(ids) & set(tokenizer.special_ids.values())
        assert tokenizer.decode(ids) == f"<{content}|im_end|>"


@pytest.mark.parametrize(
    "inside",
    [
        "no json",
        '{"name": "f"}',
        '{"name": 1, "arguments": {}}',
        '{"name": "f", "arguments": "1"}',
        '{"name": "f", "arguments": {"x": NaN}}',
        '{"name": "f", "arguments": {"x": "\\ud800"}}',
        "[" * 20_000,
        "[1]",
    ],
)
def test_a_malformed_call_stays_visible_as_text(tokenizer: Tokenizer, inside: str) -> None:
    opening, closing = tokenizer.special_ids["<tool_call>"], tokenizer.special_ids["</tool_call>"]
    ids = [*tokenizer.encode("a "), opening, *tokenizer.encode(inside), closing, 2, *tokenizer.encode("b")]
    message = tokenizer.parse_reply(ids)
    assert message == {"role": "assistant", "content": f"a <tool_call>{inside}</tool_call>"}


def test_an_unclosed_call_is_text_and_a_good_one_after_a_bad_is_called(tokenizer: Tokenizer) -> None:
    opening, closing = tokenizer.special_ids["<tool_call>"], tokenizer.special_ids["</tool_call>"]
    good = tokenizer.encode('{"name": "f", "arguments": {}}')
    assert tokenizer.parse_reply([opening, *good])["content"].startswith("<tool_call>{")
    both = tokenizer.parse_reply([opening, *tokenizer.encode("x"), closing, opening, *good, closing])
    assert both["content"] == "<tool_call>x</tool_call>"
    assert both["tool_calls"] == [{"type": "function", "function": {"name": "f", "arguments": {}}}]
    assert tokenizer.parse_reply([])["content"] == ""


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], "at least one message"),
        ("hola", "at least one message"),
        (["hola"], "message 0: an object"),
        ([{"role": "user", "content": "x"}, {"content": "x"}], "message 1: role None"),
        ([{"role": "us er", "content": "x"}], "message 0: role"),
        ([{"role": "user", "content": 3}], "not int"),
        ([{"role": "user"}], "neither content nor tool_calls"),
        ([{"role": "assistant", "tool_calls": [{}]}], "without a name"),
        ([{"role": "assistant", "tool_calls": "x"}], "must be a list"),
        ([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 1}}]}], "arguments"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}], "only text parts"),
        ([{"role": "user", "content": "\ud800"}], "lone surrogate"),
    ],
)
def test_bad_messages_are_told_in_one_line(tokenizer: Tokenizer, messages: list, told: str) -> None:
    with pytest.raises(InputError, match=told):
        tokenizer.encode_chat(messages)


def test_a_broken_template_is_told_with_its_line(tokenizer: Tokenizer) -> None:
    for template, told in (
        ("\n{% for %}", "line 2"),
        ("{{ raise_exception('no') }}", "no"),
        ("{{ 1 + 'a' }}", "can't"),
    ):
        broken = Tokenizer(tokenizer._backend, {}, template)
        with pytest.raises(InputError, match=told):
            broken.render([{"role": "user", "content": "x"}])


@pytest.mark.parametrize(
    "template",
    [
        "{% set n = namespace(__class__=1) %}",
        "{% set n = namespace() %}{% set n.__init__ = 1 %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ dict.mro() }}",
        "{{ 1 // 0 }}",
    ],
)
def test_a_foreign_template_can_do_no_harm(tokenizer: Tokenizer, template: str) -> None:
    hostile = Tokenizer(tokenizer._backend, {}, template)
    with pytest.raises(InputError, match="the chat template can't render"):
        hostile.render([{"role": "user", "content": "x"}])


def test_stripped_templates_render_the_same_in_plain_jinja(tokenizer: Tokenizer) -> None:
    stripped = strip_generation_marks(builtin_template())
    assert "generation %}" not in stripped
    plain = Tokenizer(tokenizer._backend, tokenizer.config, stripped)
    jinja2.Environment(trim_blocks=True, lstrip_blocks=True).parse(stripped)
    for messages in CONVERSATIONS:
        assert plain.render(messages, [CALCULATOR], True) == tokenizer.render(messages, [CALCULATOR], True)
