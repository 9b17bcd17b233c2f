"""Small Python functions: what each does, its two lines of code, and the results of some calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fragua.corpus.aldea.grammar import sentence
from fragua.corpus.aldea.names import table
from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("functions")
NUMBERS = {"es": ("n", "m", "x", "y", "uno", "dos"), "en": ("n", "m", "x", "y", "one", "two")}
WORDS = {"es": ("texto", "palabra", "nombre", "t", "s", "p"), "en": ("text", "word", "name", "t", "s", "p")}
"""Names of parameters."""

RESULTS: dict[str, Callable[[Any, Any, int], object]] = {
    "add": lambda a, b, k: a + b,
    "subtract": lambda a, b, k: a - b,
    "product": lambda a, b, k: a * b,
    "raised": lambda a, b, k: a + k,
    "lowered": lambda a, b, k: a - k,
    "times": lambda a, b, k: a * k,
    "square": lambda a, b, k: a * a,
    "remainder": lambda a, b, k: a % k,
    "larger": lambda a, b, k: max(a, b),
    "smaller": lambda a, b, k: min(a, b),
    "is_even": lambda a, b, k: a % 2 == 0,
    "exceeds": lambda a, b, k: a > k,
    "equal": lambda a, b, k: a == b,
    "distance": lambda a, b, k: abs(a - b),
    "capitals": lambda a, b, k: a.upper(),
    "length": lambda a, b, k: len(a),
    "shout": lambda a, b, k: a + "!",
    "repeat": lambda a, b, k: a * k,
    "initial": lambda a, b, k: a[0],
    "last": lambda a, b, k: a[-1],
    "start": lambda a, b, k: a[:k],
    "join": lambda a, b, k: f"{a}-{b}",
}
"""What each snippet of `snippets.toml` returns for its arguments and its number."""


def render(teller: Teller) -> str:
    """Two functions, each with its explanation, its code and two or three calls."""
    chosen = teller.rng.sample(sorted(table("snippets.toml")), 2)
    return "\n".join(line for name in chosen for line in _told(teller, name))


def _told(teller: Teller, name: str) -> list[str]:
    rng, snippet = teller.rng, table("snippets.toml")[name]
    called, does = snippet[teller.lang]
    words = snippet.get("words", False)
    one, two = rng.sample((WORDS if words else NUMBERS)[teller.lang], 2)
    number = rng.randint(2, 4 if words else 12)
    holes = {"a": one, "b": two, "k": str(number)}
    parameters = [one, two] if "{b}" in snippet["body"] else [one]
    writer = rng.choice(teller.world.of_kind("person"))
    lead = teller.fill(teller.pick(*TEXT["leads"]), n=writer, t=teller.fill(does, **holes))
    code = f"def {called}({', '.join(parameters)}):\n    return {teller.fill(snippet['body'], **holes)}"
    lines = [lead if lead.endswith(":") else sentence(lead), code]
    for _ in range(rng.randint(2, 3)):
        values = [_value(teller, words) for _ in parameters]
        result = RESULTS[name](values[0], values[-1], number)
        call = f"{called}({', '.join(map(_literal, values))})"
        lines.append(teller.form(*TEXT["calls"], c=call, r=_literal(result)))
    return lines


def _value(teller: Teller, words: bool) -> object:
    if not words:
        return teller.rng.randint(1, 30)
    kind = teller.rng.choice(("species", "ingredient", "product", "village", "person"))
    return teller.rng.choice(teller.world.of_kind(kind)).forms(teller.lang).bare


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
