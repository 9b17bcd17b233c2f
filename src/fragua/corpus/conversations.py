"""Conversations for fine-tuning, from the three forms in which people keep them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fragua.errors import InputError
from fragua.files import read_json, read_jsonl

Message = dict[str, Any]
ROLES = ("system", "user", "assistant", "tool")
_SPEAKERS = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
}


class Conversation(BaseModel):
    """OpenAI messages, what ability they show and in which language, and the tools that were offered."""

    messages: list[Message]
    ability: str = ""
    lang: str = "und"
    tools: list[dict[str, Any]] | None = None


def read_conversations(path: str | Path) -> Iterator[Conversation]:
    """Conversations of a JSON array or of JSONL, each row in OpenAI's, Alpaca's or ShareGPT's form.

    Raises InputError with `path:row` for a row of no known form, an unknown role, content that is no text, or no
    assistant's turn."""
    for place, row in read_rows(Path(path)):
        messages = recognise(row, place)
        if not any(message["role"] == "assistant" for message in messages):
            raise InputError("no assistant's turn, so nothing to learn", place, "add one, or drop the row")
        ability, lang, tools = row.get("ability"), row.get("lang"), row.get("tools")
        yield Conversation(
            messages=messages,
            ability=ability if isinstance(ability, str) else "",
            lang=lang if isinstance(lang, str) and lang else "und",
            tools=tools
            if isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)
            else None,
        )


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`path:row`, object); a file whose name ends in .json holds an array, any other one object a line."""
    if path.suffix.lower() != ".json":
        for number, row in read_jsonl(path):
            yield f"{path}:{number}", row
        return
    rows = read_json(path)
    if not isinstance(rows, list):
        raise InputError("a JSON array of objects is needed", path, "or one object a line in a .jsonl file")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError("a JSON object is needed in each row", f"{path}:{number}")
        yield f"{path}:{number}", row


def recognise(row: dict[str, Any], place: str) -> list[Message]:
    """A row's messages, whatever form it has. Raises InputError at `place`."""
    for recogniser in RECOGNISERS:
        found = recogniser(row, place)
        if found is not None:
            return found
    keys = ", ".join(sorted(row)) or "nothing"
    raise InputError(
        f"no known form of conversation (it has {keys})",
        place,
        "give 'messages', or 'conversations', or 'instruction' with 'output'",
    )


def openai(row: dict[str, Any], place: str) -> list[Message] | None:
    """`{"messages": [{"role", "content", "tool_calls"?}]}`, content a text, text parts, or null beside a call."""
    if "messages" not in row:
        return None
    return [_openai_message(turn, place) for turn in _turns(row["messages"], place)]


def _openai_message(turn: dict[str, Any], place: str) -> Message:
    role = turn.get("role")
    if role == "developer":
        role = "system"
    if role not in ROLES:
        raise InputError(f"unknown role {role!r}", place, f"known: {', '.join(ROLES)}")
    calls = turn.get("tool_calls")
    message: Message = {"role": role, "content": _content(turn.get("content"), place, bool(calls))}
    if calls:
        if role != "assistant" or not isinstance(calls, list):
            raise InputError("'tool_calls' is a list in an assistant's message", place)
        message["tool_calls"] = [_call(call, place) for call in calls]
    return message


def _content(content: Any, place: str, calls: bool) -> str:
    if isinstance(content, list) and all(
        isinstance(p, dict) and isinstance(p.get("text"), str) for p in content
    ):
        return "".join(part["text"] for part in content)
    if content is None and calls:
        return ""
    if not isinstance(content, str):
        raise InputError("'content' is not text", place)
    return content


def _call(call: Any, place: str) -> Message:
    """A call with its arguments as an object, whether they came as one or as its JSON text."""
    function = call.get("function") if isinstance(call, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise InputError("a tool call needs function.name and function.arguments", place)
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except json.JSONDecodeError as error:
            raise InputError(f"arguments of '{name}' are not JSON ({error.msg})", place) from error
    if not isinstance(arguments, dict):
        raise InputError(f"arguments of '{name}' are not a JSON object", place)
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def alpaca(row: dict[str, Any], place: str) -> list[Message] | None:
    """`{"instruction", "input"?, "output"}`: the input stands below the instruction."""
    if "instruction" not in row or "output" not in row:
        return None
    asked, extra, answer = row["instruction"], row.get("input") or "", row["output"]
    if not (isinstance(asked, str) and isinstance(extra, str) and isinstance(answer, str)):
        raise InputError("'instruction', 'input' and 'output' are texts", place)
    question = f"{asked}\n\n{extra}" if extra.strip() else asked
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    system = row.get("system")
    return (
        [{"role": "system", "content": system}, *messages] if isinstance(system, str) and system else messages
    )


def sharegpt(row: dict[str, Any], place: str) -> list[Message] | None:
    """`{"conversations": [{"from", "value"}]}` with human, gpt, system."""
    if "conversations" not in row:
        return None
    messages: list[Message] = []
    for turn in _turns(row["conversations"], place):
        role = _SPEAKERS.get(str(turn.get("from")))
        if role is None:
            raise InputError(f"unknown speaker {turn.get('from')!r}", place, f"known: {', '.join(_SPEAKERS)}")
        messages.append({"role": role, "content": _content(turn.get("value"), place, calls=False)})
    return messages


RECOGNISERS: tuple[Callable[[dict[str, Any], str], list[Message] | None], ...] = (openai, sharegpt, alpaca)
"""Asked in this order; each gives the messages, or None where the row is of another form."""


def _turns(turns: Any, place: str) -> list[dict[str, Any]]:
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, dict) for turn in turns):
        raise InputError("the turns are not a list of objects, or there are none", place)
    return turns
