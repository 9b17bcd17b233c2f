"""Sentences with their translation, where documents are there in both languages: aligned by length.

Gale and Church 1993, with their prior of each kind of match; lengths in characters."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from fragua.corpus.own.library import Text

MARKS = {
    "es": {"es", "esp", "spa", "espanol", "español", "spanish", "castellano"},
    "en": {"en", "eng", "ingles", "inglés", "english"},
}
"""Parts of a path that name the language."""
MOST_SENTENCES = 1500
MATCHES = {(1, 1): 0.89, (1, 0): 0.005, (0, 1): 0.005, (2, 1): 0.045, (1, 2): 0.045}
VARIANCE = 6.8
OTHER_NUMBERS = 5.0
MOST_COST = 4.0
"""A pair whose match costs more (in nats) is no translation that one would teach."""


def pairs(texts: Iterable[Text]) -> list[tuple[str, str]]:
    """(Spanish, English) of documents whose paths differ in the name of the language only."""
    groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for text in texts:
        key, lang = _without_language(text.source)
        if lang == text.lang:
            groups[key][lang] += text.sentences
    return [
        pair
        for versions in groups.values()
        if {"es", "en"} <= versions.keys() and max(map(len, versions.values())) <= MOST_SENTENCES
        for pair in align(versions["es"], versions["en"])
    ]


def _without_language(source: str) -> tuple[str, str]:
    """The path with its marks of language taken out, and the last such language; '' without."""
    found = ""
    kept = []
    for part in re.split(r"([/\\._\- ])", str(Path(source)).lower()):
        lang = next((lang for lang, marks in MARKS.items() if part in marks), "")
        found = lang or found
        kept.append("*" if lang else part)
    return "".join(kept), found


def align(es: list[str], en: list[str]) -> list[tuple[str, str]]:
    """The sentences that match one to one, in order, where the match is likely."""
    ratio = sum(map(len, en)) / max(1, sum(map(len, es)))
    best: dict[tuple[int, int], tuple[float, tuple[int, int]]] = {(0, 0): (0.0, (0, 0))}
    width = abs(len(es) - len(en)) + 20
    for i in range(len(es) + 1):
        middle = i * len(en) // max(1, len(es))
        for j in range(max(0, middle - width), min(len(en), middle + width) + 1):
            ways = [
                (best[i - a, j - b][0] + _cost(es[i - a : i], en[j - b : j], ratio), (a, b))
                for a, b in MATCHES
                if (i - a, j - b) in best
            ]
            if ways:
                best[i, j] = min(ways)
    found = []
    at = (len(es), len(en))
    while at in best and at != (0, 0):
        total, (a, b) = best[at]
        i, j = at[0] - a, at[1] - b
        if (a, b) == (1, 1) and total - best[i, j][0] < MOST_COST:
            found.append((es[i], en[j]))
        at = (i, j)
    return found[::-1]


def _cost(es: list[str], en: list[str], ratio: float) -> float:
    """Negative log-probability of the match: its prior, how far the lengths are from the texts' ratio, and
    `OTHER_NUMBERS` where the two name different numbers."""
    a, b = sum(map(len, es)), sum(map(len, en))
    prior = -math.log(MATCHES[len(es), len(en)])
    delta = (b - a * ratio) / math.sqrt(VARIANCE * max(1.0, (a + b / max(ratio, 1e-9)) / 2))
    numbers = [sorted(re.findall(r"\d+", " ".join(side))) for side in (es, en)]
    differ = OTHER_NUMBERS if numbers[0] != numbers[1] else 0.0
    return prior + differ - math.log(max(1e-12, math.erfc(abs(delta) / math.sqrt(2))))
