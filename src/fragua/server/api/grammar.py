"""What an answer must look like: a form, tool calls, or either."""

from __future__ import annotations

import json
from typing import Any

from fragua.inference.engine import Constraint
from fragua.server.api.bodies import ChatBody, NamedChoice, ToolOffer
from fragua.server.api.errors import ApiError
from fragua.tokens.tokenizer import TOOL_CALL, TOOL_CALL_END, Tokenizer

NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


def constraint_of(body: ChatBody, tokenizer: Tokenizer) -> Constraint | None:
    """Raises ApiError where the model has no way to call a tool."""
    form, choice = body.form(), body.tool_choice
    tools = [] if choice == "none" else body.tools or []
    named = choice.function.name if isinstance(choice, NamedChoice) else None
    wanted = [tool for tool in tools if named in (None, tool.function.name)]
    if tools and TOOL_CALL not in tokenizer.special_ids:
        raise ApiError(
            400, "this model's tokenizer has no tool calls", param="tools", code="unsupported_value"
        )
    if choice == "required" or named:
        return _calls(wanted, tokenizer, several=not named and body.parallel_tool_calls is not False)
    if form is None:
        return None
    if not tools:
        return Constraint(json_schema=form)
    either = _calls(wanted, tokenizer, several=body.parallel_tool_calls is not False)
    assert either.lark is not None, "calls are a grammar"
    return Constraint(lark=either.lark.replace("start:", "start: content |", 1) + f"content: {_json(form)}\n")


def _calls(tools: list[ToolOffer], tokenizer: Tokenizer, several: bool) -> Constraint:
    """`<tool_call>{"name": …, "arguments": …}</tool_call>` as the chat template writes it, in Lark's notation."""
    opening, closing = (tokenizer.special_ids[literal] for literal in (TOOL_CALL, TOOL_CALL_END))
    rules = [
        f"start: call{'+' if several else ''}",
        "call: " + " | ".join(f"c{i}" for i in range(len(tools))),
    ]
    for place, tool in enumerate(tools):
        before = json.dumps(f'{{"name": {json.dumps(tool.function.name)}, "arguments": ')
        rules.append(f'c{place}: <[{opening}]> {before} a{place} "}}" <[{closing}]>')
        rules.append(f"a{place}: {_json(tool.function.parameters or NO_ARGUMENTS)}")
    return Constraint(lark="\n".join(rules) + "\n")


def _json(schema: dict[str, Any]) -> str:
    """White space as `json.dumps` writes it and nowhere else."""
    spaced = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    return "%json " + json.dumps({**schema, "x-guidance": spaced})
