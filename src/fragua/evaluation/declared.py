"""Tools that a question of the exam declares: they answer the right call and no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fragua.corpus.aldea.exam import ExamItem
from fragua.corpus.aldea.graders.tool_call import same_arguments
from fragua.inference.tools import Tool


@dataclass(frozen=True)
class DeclaredTool:
    """A tool of an item: returns the item's result for the arguments that its `spec` wants."""

    name: str
    description: str
    parameters: dict[str, Any]
    spec: dict[str, Any]

    def call(self, arguments: dict[str, Any]) -> str:
        if self.name != self.spec["name"] or not same_arguments(arguments, self.spec["arguments"]):
            raise ValueError("nothing found")
        return str(self.spec["result"])


def declared_tools(item: ExamItem) -> Sequence[Tool] | None:
    """The item's tools; None (the calculator, of which the prompt does not speak) where it declares none."""
    if not item.tools:
        return None
    functions = [tool["function"] for tool in item.tools]
    return [DeclaredTool(f["name"], f["description"], f["parameters"], item.spec) for f in functions]
