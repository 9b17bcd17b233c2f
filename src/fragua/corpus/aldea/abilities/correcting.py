"""Sentences with slips of the pen, and the same sentences written well."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable

from fragua.corpus.aldea.asking import Asker, Task
from fragua.corpus.aldea.holdout import held_fact
from fragua.corpus.aldea.relations import phrasings

ASKS = {
    "es": (
        "Corrige: {x}",
        "Corrige las faltas: {x}",
        "¿Cómo se escribe bien? {x}",
        "Escribe bien esta frase: {x}",
        "Arregla esta frase: {x}",
        "Pasa a limpio: {x}",
        "Revisa lo que he escrito: {x}",
        "{x} (corrígelo)",
    ),
    "en": (
        "Correct: {x}",
        "Correct the mistakes: {x}",
        "How is this written well? {x}",
        "Write this sentence well: {x}",
        "Mend this sentence: {x}",
        "Make a clean copy: {x}",
        "Check what I wrote: {x}",
        "{x} (correct it)",
    ),
}
_COMMON = re.compile(r"(?<![\w-])[a-záéíóúüñ]{4,}(?!\w)")


def _slip(text: str, rng: random.Random, change: Callable[[str, int], str]) -> str:
    """One letter inside one of the common words changed; the words that begin with a capital stay."""
    words = list(_COMMON.finditer(text))
    if not words:
        return text
    word = rng.choice(words)
    return text[: word.start()] + change(word[0], rng.randint(1, len(word[0]) - 2)) + text[word.end() :]


def bare_letters(text: str, _: random.Random) -> str:
    """Without the accents, and n for ñ."""
    flat = unicodedata.normalize("NFD", text)
    return "".join(char for char in flat if not unicodedata.combining(char))


def swapped(text: str, rng: random.Random) -> str:
    return _slip(text, rng, lambda word, at: word[:at] + word[at + 1] + word[at] + word[at + 2 :])


def doubled(text: str, rng: random.Random) -> str:
    return _slip(text, rng, lambda word, at: word[:at] + word[at] + word[at:])


def dropped(text: str, rng: random.Random) -> str:
    return _slip(text, rng, lambda word, at: word[:at] + word[at + 1 :])


def confused(text: str, _: random.Random) -> str:
    """The letters that sound alike: b for v in Spanish words."""
    return re.sub(r"\bv|(?<=[a-zñ])v", "b", text)


def _spoilt(asker: Asker, text: str) -> str:
    rng = asker.rng
    slips: list[Callable[[str, random.Random], str]] = [swapped, doubled, dropped]
    if asker.lang == "es":
        slips += [bare_letters, confused]
    lowered = rng.random() < 0.5
    for slip in rng.sample(slips, rng.choice((0, 1, 1) if lowered else (1, 2))):
        text = slip(text, rng)
    return text.lower().rstrip(".") if lowered else text


def task(asker: Asker) -> Task | None:
    fact = asker.decks.fact()
    said = phrasings(asker.lang)[fact.relation]
    template = asker.rng.choice([f"{{s}} {text}" for text in said.pred] + list(said.sent))
    if held_fact(fact) or not asker.mine(f"correct {asker.lang} {fact.id}"):
        return None
    right = asker.sentence(template, s=fact.subject, o=fact.object)
    wrong = _spoilt(asker, right)
    if wrong.rstrip(".") == right.rstrip("."):
        return None
    request = asker.rng.choice(ASKS[asker.lang]).replace("{x}", wrong)
    return Task(request, right, "exact", lambda: {"accept": [right], "strict": True})
