"""Conversations in OpenAI's, Alpaca's and ShareGPT's form; a broken row is named."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fragua.corpus.aldea.world import build_world
from fragua.corpus.aldea.write import conversation_rows
from fragua.corpus.conversations import read_conversations
from fragua.errors import FraguaError, InputError
from fragua.files import write_jsonl

PAIR = [{"role": "user", "content": "hola"}, {"role": "assistant", "content": "¡Hola!"}]


def read(tmp_path: Path, *rows: Any, name: str = "c.jsonl") -> list[list[dict[str, Any]]]:
    file = tmp_path / name
    file.write_text(
        json.dumps(rows) if name.endswith(".json") else "\n".join(json.dumps(row) for row in rows)
    )
    return [conversation.messages for conversation in read_conversations(file)]


@pytest.mark.parametrize("name", ["c.jsonl", "c.json"])
@pytest.mark.parametrize(
    "row",
    [
        {"messages": PAIR},
        {"conversations": [{"from": "human", "value": "hola"}, {"from": "gpt", "value": "¡Hola!"}]},
        {"instruction": "hola", "input": "", "output": "¡Hola!"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hola"}]}, PAIR[1]]},
    ],
)
def test_every_form_gives_the_same_messages(tmp_path: Path, row: dict[str, Any], name: str) -> None:
    assert read(tmp_path, row, row, name=name) == [PAIR, PAIR]


def test_alpaca_input_stands_below_the_instruction(tmp_path: Path) -> None:
    found = read(tmp_path, {"instruction": "Traduce.", "input": "perro", "output": "dog"})
    assert found[0][0]["content"] == "Traduce.\n\nperro"


def test_tool_calls_come_as_objects_however_they_were_written(tmp_path: Path) -> None:
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": "calculator", "arguments": '{"expression": "1+1"}'},
    }
    turns = [
        PAIR[0],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "2"},
    ]
    message = read(tmp_path, {"messages": turns})[0][1]
    function = {"name": "calculator", "arguments": {"expression": "1+1"}}
    assert message == {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": function}],
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"messages": PAIR[:1]}, "no assistant's turn"),
        ({"messages": []}, "there are none"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "unknown role 'wizard'; known: system"),
        ({"messages": [{"role": "user", "content": None}]}, "'content' is not text"),
        ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{}]}]}, "function.name"),
        ({"conversations": [{"from": "dog", "value": "x"}]}, "unknown speaker 'dog'"),
        ({"instruction": "x", "output": 3}, "are texts"),
        ({"prompt": "x"}, "no known form of conversation .it has prompt."),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"c\.jsonl:2: .*{message}"):
        read(tmp_path, {"messages": PAIR}, row)
    with pytest.raises(InputError, match=rf"c\.json:2: .*{message}"):
        read(tmp_path, {"messages": PAIR}, row, name="c.json")


KEYS = st.sampled_from(
    ["messages", "role", "content", "conversations", "from", "tool_calls", "instruction", "output"]
)
JSON = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(JSON)
def test_no_row_makes_the_reader_crash(tmp_path: Path, row: Any) -> None:
    with suppress(FraguaError):
        read(tmp_path, row)


def test_a_real_alpaca_file_is_read_whole(data_dir: Path) -> None:
    found = list(read_conversations(data_dir / "llms_from_scratch" / "instruction-data.json"))
    assert len(found) == 1100
    assert all([m["role"] for m in one.messages] == ["user", "assistant"] for one in found)


def test_what_the_world_writes_is_read_back_unchanged(tmp_path: Path) -> None:
    rows = list(conversation_rows(build_world(0), 120))
    write_jsonl(tmp_path / "c.jsonl", rows)
    for row, found in zip(rows, read_conversations(tmp_path / "c.jsonl"), strict=True):
        assert (found.messages, found.ability, found.lang) == (row["messages"], row["ability"], row["lang"])
