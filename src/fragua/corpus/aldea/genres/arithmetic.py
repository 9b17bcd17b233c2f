"""Arithmetic lessons: small sums in figures and words, and problems from village life with their expression."""

from __future__ import annotations

from fragua.corpus.aldea.holdout import held_out, pair_key
from fragua.corpus.aldea.numbers import calculate, word
from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("arithmetic")

SIGNS = {
    "es": {"+": "más", "-": "menos", "*": "por", "/": "entre"},
    "en": {"+": "plus", "-": "minus", "*": "times", "/": "divided by"},
}


def render(teller: Teller) -> str:
    rng, lang = teller.rng, teller.lang
    lines = []
    for _ in range(rng.randint(7, 11)):
        sign = rng.choice("+-*/")
        a, b = rng.randint(1, 20), rng.randint(1, 12)
        if sign == "/":
            a *= b
        if sign == "-" and a < b:
            a, b = b, a
        if held_out(teller.world.seed, pair_key(a, b)):
            continue
        result = calculate([a, b], sign)
        form = rng.random()
        if form < 0.4:
            lines.append(f"{a} {sign} {b} = {result}")
        elif form < 0.8:
            verb = "son" if lang == "es" else "is"
            lines.append(
                f"{word(a, lang)} {SIGNS[lang][sign]} {word(b, lang)} {verb} {word(int(result), lang)}.".capitalize()
            )
        else:
            name = rng.choice(teller.world.of_kind("person")).es.bare
            if lang == "es":
                lines.append(
                    f"{name} escribe «{a} {SIGNS[lang][sign]} {b}» así: {a}{sign}{b}. El resultado es {result}."
                )
            else:
                lines.append(
                    f'{name} writes "{a} {SIGNS[lang][sign]} {b}" like this: {a}{sign}{b}. The result is {result}.'
                )
    return teller.pick(*TEXT["titles"]) + "\n" + "\n".join(lines)
