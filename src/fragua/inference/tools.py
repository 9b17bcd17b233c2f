"""Tools a model may call, and the one way a call is run: it always ends in a result or an error text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from fragua.inference.calculator import CalculationError, evaluate, plain_number

ERROR = "error: "


class Tool(Protocol):
    """What a model may be offered: a name, a sentence, a JSON Schema of the arguments, the call itself."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def parameters(self) -> dict[str, Any]: ...

    def call(self, arguments: dict[str, Any]) -> str:
        """Returns the text that the model reads. Raises ValueError with a sentence for the model to read."""
        ...


def calculate(expression: str) -> str:
    """'12*37' -> '444', '1/3' -> '0.3333', '10/4' -> '2.5'; else 'error: …' with the reason."""
    try:
        return plain_number(evaluate(expression))
    except CalculationError as error:
        return ERROR + str(error)


class Calculator:
    """Arithmetic, exact where it can be: see `fragua.inference.calculator`."""

    name = "calculator"
    description = "Computes an arithmetic expression: + - * / // % **, parentheses, sqrt(x)."
    parameters: dict[str, Any] = {  # noqa: RUF012 (constant, never written)
        "type": "object",
        "properties": {"expression": {"type": "string"}},
        "required": ["expression"],
        "additionalProperties": False,
    }

    def call(self, arguments: dict[str, Any]) -> str:
        expression = arguments.get("expression")
        if not isinstance(expression, str):
            raise ValueError("calculator needs 'expression', a text such as \"12*37\"")
        return calculate(expression)


CALCULATOR = Calculator()


def schema(tool: Tool) -> dict[str, Any]:
    """The tool as OpenAI's `tools` list and chat templates have it."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def run_tool_call(call: dict[str, Any], tools: Sequence[Tool]) -> str:
    """The text that answers `call`: `{"type": "function", "function": {"name", "arguments": {…} | JSON}}`.

    Never raises for what a model wrote: a call that is malformed, of an unknown tool or with wrong arguments
    is answered with 'error: …'."""
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return ERROR + "a call needs a name and arguments"
    name, arguments = function["name"], function.get("arguments", {})
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None:
        return (
            f"{ERROR}there is no tool '{name}'; there is: {', '.join(tool.name for tool in tools) or 'none'}"
        )
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (json.JSONDecodeError, RecursionError):
            return ERROR + "the arguments are not JSON"
    if not isinstance(arguments, dict):
        return ERROR + "the arguments must be a JSON object"
    try:
        return tool.call(arguments)
    except ValueError as error:
        return ERROR + str(error)
