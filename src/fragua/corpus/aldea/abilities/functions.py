"""Small Python functions with asked-for names: written from what they should return, or read and run in the head."""

from __future__ import annotations

from typing import Any

from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.small_python import Function, ProgramError, call, read_function
from fragua.corpus.aldea.wordbook import invented

READ_SHARE = 0.25
"""Questions that give the function, of numbers or a list, and ask for a result."""


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


def task(asker: Asker) -> Task | None:
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
        said = str(result)
        if isinstance(result, float) or not asker.mine(f"run {expression} {args}"):
            return None
        called = f"{name}({', '.join(map(repr, args))})"
        question = rng.choice(rows["results"][asker.lang]).replace("{c}", called)
        return Task(f"{source}\n{question}", said, "exact", lambda: {"accept": [said], "strict": True})
    template = asker.template(rows["asks"][asker.lang], f"{expression} {name}")
    if template is None:
        return None
    question = template.replace("{f}", head).replace("{d}", es if asker.lang == "es" else en)
    return Task(
        question,
        source,
        "program",
        lambda: {"name": name, "params": params, "tests": tests(function, kinds)},
    )
