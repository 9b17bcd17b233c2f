"""A Python function of the asked-for name that gives the right results, run by an evaluator of its own."""

from __future__ import annotations

import re

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders.text import Grade, final_text
from fragua.corpus.aldea.small_python import ProgramError, call, read_function

_FENCE = re.compile(r"```(?:python|py)?\n(.*?)```", re.S)


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    """`spec`: the `name`, the `params` and the `tests`, pairs of arguments and result."""
    said, spec = final_text(reply), item.spec
    fenced = _FENCE.search(said)
    try:
        function = read_function(fenced[1] if fenced else said.strip())
        if function.name != spec["name"] or function.params != spec["params"]:
            return Grade(False, f"is not {spec['name']}({', '.join(spec['params'])})")
        for args, result in spec["tests"]:
            found = call(function, args)
            if found != result or isinstance(found, bool) is not isinstance(result, bool):
                return Grade(False, f"gives {found!r} for {args}, not {result!r}")
    except ProgramError as error:
        return Grade(False, str(error))
    return Grade(True, "gives the right results")
