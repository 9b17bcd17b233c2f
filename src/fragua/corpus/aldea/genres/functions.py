"""Small Python functions: what each returns, its two lines of code, and the results of some calls."""

from __future__ import annotations

from typing import Any

from fragua.corpus.aldea.grammar import sentence
from fragua.corpus.aldea.holdout import held_out
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.small_python import Function, ProgramError, call, read_function
from fragua.corpus.aldea.telling import Teller
from fragua.corpus.aldea.wordbook import invented, kind_nouns

TEXT = genre_text("functions")
LONGEST_RESULT, TRIES = 12, 8


def render(teller: Teller) -> str:
    """Two functions, each with its explanation, its code and two or three calls."""
    rows = teller.rng.sample(table("functions.toml")["rows"], 2)
    return "\n".join(line for row in rows for line in _told(teller, *row))


def _told(teller: Teller, kinds: str, es: str, en: str, expression: str) -> list[str]:
    rng, data = teller.rng, table("functions.toml")
    params, name = rng.choice(data["params"][kinds]), _name(teller)
    body = expression.replace("{a}", params[0]).replace("{b}", params[-1])
    source = f"def {name}({', '.join(params)}):\n    return {body}"
    writer, returned = rng.choice(teller.world.of_kind("person")), es if teller.lang == "es" else en
    lead = teller.fill(teller.pick(*TEXT["leads"]), n=writer, f=name, t=returned)
    tried = [_called(teller, read_function(source), kinds, expression) for _ in range(TRIES)]
    calls = [line for line in tried if line][: rng.randint(2, 3)]
    return [lead if lead.endswith(":") else sentence(lead), source, *calls]


def _name(teller: Teller) -> str:
    """A name that the exam does not ask for."""
    while True:
        name = invented(teller.rng)
        if teller.rng.random() < 0.5:
            name = f"{teller.rng.choice(table('functions.toml')['stems'][teller.lang])}_{name}"
        if not held_out(f"function {name}"):
            return name


def _called(teller: Teller, function: Function, kinds: str, expression: str) -> str:
    """A call and its result; nothing where there is none, or it is the exam's."""
    args = [_value(teller, kind) for kind in kinds]
    try:
        result = repr(call(function, args))
    except ProgramError:
        return ""
    if len(result) > LONGEST_RESULT or held_out(f"run {expression} {args}"):
        return ""
    written = f"{function.name}({', '.join(map(repr, args))})"
    return teller.form(*TEXT["calls"], c=written, r=result)


def _value(teller: Teller, kind: str) -> Any:
    rng = teller.rng
    if kind == "t":
        return rng.choice(kind_nouns(rng.choice(("species", "ingredients", "products")), teller.lang))
    return rng.sample(range(1, 10), 3) if kind == "l" else rng.randint(1, 30)
