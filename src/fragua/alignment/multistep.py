"""Arithmetic in several steps: two or three calculations, each on the result before; only the last number is judged.

What each step's call should be is told to nobody: a policy has to find it out from being right or wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from fragua.corpus.aldea.asking import ExamItem, assistant, user
from fragua.corpus.aldea.entities import LANGS
from fragua.corpus.aldea.holdout import held_out

MULTISTEP = "multistep"
LEAST, MOST = 1, 5000
"""Results between the steps stay in these bounds, so that no step is harder to write down than another."""
FIRST = {"es": ("Calcula {x}.", "Primero calcula {x}."), "en": ("Calculate {x}.", "First work out {x}.")}
THEN = {
    "es": {
        "+": "Al resultado súmale {n}.",
        "-": "Al resultado réstale {n}.",
        "*": "Multiplica el resultado por {n}.",
    },
    "en": {
        "+": "Add {n} to the result.",
        "-": "Take {n} from the result.",
        "*": "Multiply the result by {n}.",
    },
}
LAST = {"es": "¿Cuánto da?", "en": "What do you get?"}
SAID = {"es": "El resultado es {n}.", "en": "The result is {n}."}


def multistep_items(seed: int, for_exam: bool = False) -> Iterator[ExamItem]:
    """Endless questions of two or three steps in both languages; the two sides share no first calculation."""
    rng = random.Random(f"multistep {seed} {for_exam}")
    number = 0
    while True:
        lang = LANGS[number % len(LANGS)]
        if (item := _item(rng, lang, for_exam)) is not None:
            number += 1
            yield item


def _item(rng: random.Random, lang: str, for_exam: bool) -> ExamItem | None:
    """None where a result is out of bounds, or the first calculation is the other side's."""
    value, expression = rng.randint(2, 99), ""
    asked, gold = [], []
    for step in range(rng.choice((2, 3))):
        sign = rng.choice("+-*")
        operand = rng.randint(2, 9) if sign == "*" and step else rng.randint(2, 99)
        call = f"{value}{sign}{operand}"
        if not step and held_out(f"steps {call}") is not for_exam:
            return None
        expression = f"({expression}){sign}{operand}" if expression else call
        value = {"+": value + operand, "-": value - operand, "*": value * operand}[sign]
        if not LEAST <= value <= MOST:
            return None
        shown = f"{call.replace(sign, f' {sign} ')}"
        asked.append(
            rng.choice(FIRST[lang]).format(x=shown) if not step else THEN[lang][sign].format(n=operand)
        )
        gold += _call(call, str(value))
    question = " ".join([*asked, LAST[lang]])
    spec = {"value": str(value), "expression": expression}
    answer = [*gold, assistant(SAID[lang].format(n=value))]
    return ExamItem("", MULTISTEP, lang, [user(question)], "calculation", spec, answer)


def _call(expression: str, result: str) -> list[dict[str, Any]]:
    call = {"type": "function", "function": {"name": "calculator", "arguments": {"expression": expression}}}
    return [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "content": result}]
