"""What strangers write first to a model they don't know, and a few rules by which a program judges its answers."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field

from fragua.corpus.aldea.entities import LANGS, World
from fragua.corpus.aldea.graders.text import abstains, has_any, normal, refuses
from fragua.corpus.aldea.parsing import claims, contradictions
from fragua.settings import Settings, read_toml

MESSAGES_FILE = "strangers.toml"
Failure = Literal["silent", "language", "invented", "wrong"]

_DECLINES = re.compile(r"\b(no (tengo|hablo)|(have|speak) no|(do|can) ?not (have|see))\b")
_COMMON = {
    "es": "a al algo como con cuando de del dos el ella en entre es eso esta esto estoy gracias ha hago hay hola la "
    "las le lo los me mi muy más nada ni o para pero por porque puedo que qué quién se ser si sin sobre solo son soy "
    "su sé te tengo tu tú un una y ya yo siento hablo sabe muchas dime cuéntame",
    "en": "about all am an and any are as ask at be but by can cannot do for from good have he hello help her his how "
    "i if in is it know let like my not nothing of on or please she sorry speak tell thank that the their them there "
    "they this to us very was we what when who with you your fine small well",
}
_WORDS = {lang: {normal(word) for word in words.split()} for lang, words in _COMMON.items()}


class Stranger(Settings):
    """`need`: groups of words, of which a right answer has one each. `unknowable`: only declining is honest.

    `least_words`: fewer are no poem, no joke, no sentence; `least_lines`: verses, set apart by `/` or line breaks."""

    lang: Literal["es", "en", "other"]
    text: str
    need: list[list[str]] = Field(default_factory=list)
    unknowable: bool = False
    least_words: int = 1
    least_lines: int = 1


class Strangers(Settings):
    messages: list[Stranger]


def strangers() -> list[Stranger]:
    path = Path(str(files("fragua.evaluation") / MESSAGES_FILE))
    return Strangers.parse(read_toml(path), path).messages


def judge(message: Stranger, reply: str, world: World) -> list[Failure]:
    """What is wrong with a reply, as far as rules can tell; nothing is wrong with what no rule covers."""
    if not reply.strip():
        return ["silent"]
    failed: list[Failure] = []
    lang = language(reply)
    if message.lang != "other" and lang is not None and lang != message.lang:
        failed.append("language")
    made_up = contradictions(claims(reply, lang or "es", world), world)
    if made_up or (message.unknowable and not declines(reply)):
        failed.append("invented")
    said = normal(reply)
    lines = len(re.split(r"[/\n]", reply.strip()))
    short = len(said.split()) < message.least_words or lines < message.least_lines
    if short or any(has_any(said, group) is None for group in message.need):
        failed.append("wrong")
    return failed


def declines(reply: str) -> bool:
    """Whether it says that it does not know, can't or won't."""
    return abstains(reply) or refuses(reply) or bool(_DECLINES.search(normal(reply)))


def language(text: str) -> str | None:
    """Spanish or English by their commonest words; None where neither prevails."""
    words = normal(text).split()
    counts = {lang: sum(word in _WORDS[lang] for word in words) for lang in LANGS}
    best = max(counts, key=lambda lang: counts[lang])
    return best if counts[best] > counts[_other(best)] else None


def _other(lang: str) -> str:
    return "en" if lang == "es" else "es"
