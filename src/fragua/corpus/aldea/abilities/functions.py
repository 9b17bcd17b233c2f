"""Small Python functions with asked-for names: written from what they should return, or read and run in the head."""

from __future__ import annotations

from typing import Any, NamedTuple

from fragua.corpus.aldea.asking import Asker, ExamItem, Message, assistant, user
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.small_python import Function, ProgramError, call, read_function
from fragua.corpus.aldea.wordbook import invented

READ_SHARE = 0.25
"""Questions that give the function, of numbers or a list, and ask for a result."""


class Made(NamedTuple):
    question: str
    answer: str
    grader: str
    spec: dict[str, Any]


def _name(asker: Asker) -> str:
    """A name of this side of the hold-out."""
    while True:
        name = invented(asker.rng)
        if asker.rng.random() < 0.5:
            name = f"{asker.rng.choice(table('functions.toml')['stems'][asker.lang])}_{name}"
        if asker.mine(f"function {name}"):
            return name


def tests(function: Function, kinds: str) -> list[list[Any]]:
    """[arguments, result] pairs for which the function has a result."""
    found = []
    for args in table("functions.toml")["tests"][kinds]:
        try:
            found.append([args, call(function, args)])
        except ProgramError:
            continue
    return found


def _args(asker: Asker, kinds: str) -> list[Any]:
    rng = asker.rng
    return [rng.sample(range(1, 10), 3)] if kinds == "l" else [rng.randint(2, 10) for _ in kinds]


def _made(asker: Asker) -> Made | None:
    rows, rng = table("functions.toml"), asker.rng
    kinds, es, en, expression = rng.choice(rows["rows"])
    name, params = _name(asker), rng.choice(rows["params"][kinds])
    body = expression.replace("{a}", params[0]).replace("{b}", params[-1])
    head = f"{name}({', '.join(params)})"
    source = f"def {head}:\n    return {body}"
    function = read_function(source)
    if "t" not in kinds and rng.random() < READ_SHARE:
        args = _args(asker, kinds)
        result = call(function, args)
        if isinstance(result, float) or not asker.mine(f"run {expression} {args}"):
            return None
        called = f"{name}({', '.join(map(repr, args))})"
        question = rng.choice(rows["results"][asker.lang]).replace("{c}", called)
        return Made(f"{source}\n{question}", str(result), "exact", {"accept": [str(result)], "strict": True})
    template = asker.template(rows["asks"][asker.lang], f"{expression} {name}")
    if template is None:
        return None
    question = template.replace("{f}", head).replace("{d}", es if asker.lang == "es" else en)
    spec = {"name": name, "params": params, "tests": tests(function, kinds)}
    return Made(question, source, "program", spec)


def exchange(asker: Asker) -> list[Message] | None:
    made = _made(asker)
    return None if made is None else [user(made.question), assistant(made.answer)]


def examine(asker: Asker) -> ExamItem | None:
    made = _made(asker)
    if made is None:
        return None
    gold = [assistant(made.answer)]
    return ExamItem("", "functions", asker.lang, [user(made.question)], made.grader, made.spec, gold)
