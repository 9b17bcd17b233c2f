"""Arithmetic lessons: small sums in figures and words, and problems from village life with their expression."""

from __future__ import annotations

from fragua.corpus.aldea.grammar import sentence
from fragua.corpus.aldea.holdout import held_out, pair_key
from fragua.corpus.aldea.numbers import calculate, word
from fragua.corpus.aldea.relations import genre_text
from fragua.corpus.aldea.telling import Teller

TEXT = genre_text("arithmetic")

SIGNS = {
    "es": {"+": "más", "-": "menos", "*": "por", "/": "entre"},
    "en": {"+": "plus", "-": "minus", "*": "times", "/": "divided by"},
}

NEIGHBOURS = 0.2
"""The share of lines that count on or back instead of summing up."""


def render(teller: Teller) -> str:
    lines = [_line(teller) for _ in range(teller.rng.randint(7, 11))]
    return "\n".join([teller.pick(*TEXT["titles"]), *(line for line in lines if line)])


def _line(teller: Teller) -> str:
    """One sum of the texts' side of the hold-out: a formula, words, an expression, or a little story."""
    rng, lang = teller.rng, teller.lang
    if rng.random() < NEIGHBOURS:
        return _neighbour(teller)
    sign = rng.choice("+-*/")
    a, b = rng.randint(2, 20), rng.randint(2, 12)
    if sign == "/":
        a *= b
    if sign == "-" and a < b:
        a, b = b, a
    if held_out(pair_key(a, b)):
        return ""
    result = calculate([a, b], sign)
    form = rng.random()
    if form < 0.35:
        return f"{a} {sign} {b} = {result}"
    name = rng.choice(teller.world.of_kind("person")).es.bare
    if form < 0.65:
        said = (
            [word(number, lang) for number in (a, b, int(result))] if rng.random() < 0.7 else [a, b, result]
        )
        told = teller.fill(teller.pick(*TEXT[sign]), a=str(said[0]), b=str(said[1]), r=str(said[2]))
        return sentence(f"{teller.pick(*TEXT['leads'])} {told}")
    holes = {"n": name, "a": str(a), "b": str(b), "r": result}
    if form < 0.85:
        return teller.form(*TEXT["written"], **holes, w=f"{a} {SIGNS[lang][sign]} {b}", x=f"{a}{sign}{b}")
    return teller.form(*TEXT[f"story{sign}"], **holes, t=teller.pick(*TEXT["things"]))


def _neighbour(teller: Teller) -> str:
    """What comes one or ten before or after a number."""
    number, step = teller.rng.randint(2, 98), teller.rng.choice((1, -1, 10))
    told = teller.fill(teller.pick(*TEXT[f"step{step}"]), a=str(number), r=str(number + step))
    return sentence(f"{teller.pick(*TEXT['leads'])} {told}")
