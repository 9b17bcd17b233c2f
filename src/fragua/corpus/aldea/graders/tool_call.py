"""A call of the right declared tool with the right arguments, and its result said last."""

from __future__ import annotations

import json
from typing import Any

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders.text import MOST_WORDS, Grade, final_text, has, normal


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    calls = [call for message in reply for call in message.get("tool_calls") or []]
    if len(calls) != 1:
        return Grade(False, f"{len(calls)} calls instead of one")
    name, arguments = called(calls[0])
    if name != item.spec["name"]:
        return Grade(False, f"calls {name!r}, not {item.spec['name']!r}")
    if not same_arguments(arguments, item.spec["arguments"]):
        return Grade(False, f"calls it with {arguments}")
    if not any(message.get("role") == "tool" for message in reply):
        return Grade(False, "the call was never answered")
    said = final_text(reply)
    if len(said.split()) > MOST_WORDS or not has(normal(said), normal(item.spec["result"])):
        return Grade(False, f"does not say {item.spec['result']}")
    return Grade(True, "right call, result said")


def called(call: Any) -> tuple[str, Any]:
    """(name, arguments) of a call in OpenAI's form; arguments that are no JSON stay text."""
    function = call.get("function", {}) if isinstance(call, dict) else {}
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return str(function.get("name")), arguments
    return str(function.get("name")), arguments


def same_arguments(given: Any, wanted: dict[str, str]) -> bool:
    """The same keys, and values that differ in case, accents and marks at most."""
    if not isinstance(given, dict) or given.keys() != wanted.keys():
        return False
    return all(normal(str(given[key])) == normal(value) for key, value in wanted.items())
