"""Arithmetic: the assistant writes a call of the calculator, reads its result, and answers with it."""

from __future__ import annotations

from itertools import pairwise

from fragua.corpus.aldea.asking import Asker, Message, Task, called
from fragua.corpus.aldea.genres.arithmetic import SIGNS
from fragua.corpus.aldea.holdout import pair_key
from fragua.corpus.aldea.numbers import calculate, word

ASKS = {
    "es": (
        "¿Cuánto es {x}?",
        "Calcula {x}.",
        "¿Cuánto da {x}?",
        "Dime el resultado de {x}.",
        "{x}",
        "{x} = ?",
        "¿Me haces esta cuenta: {x}?",
        "Necesito saber {x}.",
        "Resuelve {x}.",
    ),
    "en": (
        "How much is {x}?",
        "Calculate {x}.",
        "What is {x}?",
        "Give me the result of {x}.",
        "{x}",
        "{x} = ?",
        "Can you do this sum: {x}?",
        "I need to know {x}.",
        "Work out {x}.",
    ),
}
PROBLEMS = {
    "es": {
        "+": (
            "{p} tiene {a} {t} y compra {b} más. ¿Cuántas tiene?",
            "Hay {a} {t} en una cesta y {b} en otra. ¿Cuántas hay en total?",
        ),
        "-": (
            "{p} tenía {a} {t} y regaló {b}. ¿Cuántas le quedan?",
            "De {a} {t} se rompen {b}. ¿Cuántas quedan?",
        ),
        "*": (
            "{p} llena {a} cajas con {b} {t} cada una. ¿Cuántas hay?",
            "Cada día {p} vende {b} {t}. ¿Cuántas vende en {a} días?",
        ),
        "/": (
            "{p} reparte {a} {t} entre {b} vecinos. ¿Cuántas recibe cada uno?",
            "Con {a} {t} se llenan {b} cestas iguales. ¿Cuántas van en cada una?",
        ),
    },
    "en": {
        "+": (
            "{p} has {a} {t} and buys {b} more. How many are there?",
            "There are {a} {t} in one basket and {b} in another. How many in all?",
        ),
        "-": (
            "{p} had {a} {t} and gave away {b}. How many are left?",
            "Out of {a} {t}, {b} break. How many are left?",
        ),
        "*": (
            "{p} fills {a} boxes with {b} {t} each. How many are there?",
            "Every day {p} sells {b} {t}. How many in {a} days?",
        ),
        "/": (
            "{p} shares {a} {t} among {b} neighbours. How many does each one get?",
            "With {a} {t} one fills {b} equal baskets. How many go in each?",
        ),
    },
}
THINGS = {
    "es": ("manzanas", "velas", "castañas", "campanas", "cartas", "tazas"),
    "en": ("apples", "candles", "chestnuts", "bells", "letters", "cups"),
}


def _numbers(asker: Asker) -> tuple[list[int], str]:
    """Operands of this side of the hold-out: a pair, or now and then a chain of three."""
    rng = asker.rng
    while True:
        sign = rng.choice("+-*/")
        if sign == "*":
            a, b = rng.randint(2, 99), rng.randint(2, 40)
        elif sign == "/":
            b = rng.randint(2, 20)
            a = b * rng.randint(2, 50)
        else:
            a, b = rng.randint(2, 999), rng.randint(2, 500)
        if sign == "-" and a < b:
            a, b = b, a
        numbers, signs = [a, b], sign
        if rng.random() < 0.15 and sign in "+-*":
            numbers, signs = [a, b, rng.randint(2, 20)], sign + rng.choice("+-")
        if all(asker.mine(pair_key(x, y)) for x, y in pairwise(numbers)):
            return numbers, signs


def _made(asker: Asker) -> tuple[str, str, str]:
    """(question, expression, result)"""
    rng, lang = asker.rng, asker.lang
    numbers, signs = _numbers(asker)
    expression = str(numbers[0]) + "".join(f"{s}{n}" for s, n in zip(signs, numbers[1:], strict=True))
    result = calculate(numbers, signs)
    chance = rng.random()
    if chance < 0.25 and len(numbers) == 2:
        person = rng.choice(asker.world.of_kind("person"))
        template = rng.choice(PROBLEMS[lang][signs])
        a, b = str(numbers[0]), str(numbers[1])
        return (
            asker.text(template, p=person.es.bare, a=a, b=b, t=rng.choice(THINGS[lang])),
            expression,
            result,
        )
    if chance < 0.4 and max(numbers) < 100:
        shown = word(numbers[0], lang)
    elif chance < 0.6:
        shown = str(numbers[0])
    else:
        space = rng.choice(("", " "))
        shown = f"{space}".join(
            [str(numbers[0])] + [f"{s}{space}{n}" for s, n in zip(signs, numbers[1:], strict=True)]
        )
        return rng.choice(ASKS[lang]).replace("{x}", shown), expression, result
    for sign, number in zip(signs, numbers[1:], strict=True):
        shown += f" {SIGNS[lang][sign]} {word(number, lang) if not shown[0].isdigit() else number}"
    return rng.choice(ASKS[lang]).replace("{x}", shown), expression, result


def reply(expression: str, result: str, lang: str) -> list[Message]:
    """The call, the tool's answer, and the sentence that carries it."""
    said = f"El resultado es {result}." if lang == "es" else f"The result is {result}."
    return called("calculator", {"expression": expression}, result, said)


def task(asker: Asker) -> Task:
    question, expression, result = _made(asker)
    spec = {"value": result, "expression": expression}
    return Task(question, reply(expression, result, asker.lang), "calculation", lambda: spec)
