"""A sum done through a real call of the calculator, its result said last."""

from __future__ import annotations

import json
import re
from typing import Any

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders.text import Grade, final_text


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    if not any(_calculates(call) for message in reply for call in _calls(message)):
        return Grade(False, "no call of the calculator")
    if not any(message.get("role") == "tool" for message in reply):
        return Grade(False, "the call was never answered")
    numbers = re.findall(r"-?\d+(?:[.,]\d+)?", final_text(reply))
    if not numbers:
        return Grade(False, "no number in the answer")
    said = numbers[-1].replace(",", ".")
    right = float(said) == float(item.spec["value"])
    return Grade(right, f"says {said}, it is {item.spec['value']}" if not right else "right number")


def _calls(message: Message) -> list[Any]:
    return list(message.get("tool_calls") or []) if message.get("role") == "assistant" else []


def _calculates(call: Any) -> bool:
    function = call.get("function", {}) if isinstance(call, dict) else {}
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return False
    return function.get("name") == "calculator" and isinstance(arguments, dict) and "expression" in arguments
