"""The documents of a corpus as lessons need them: titled, in sentences, with the terms that can be asked for."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fragua.corpus.aldea.holdout import held_out
from fragua.corpus.sentences import sentences
from fragua.corpus.words import words

LANGS = ("es", "en")
HELD_SHARE = 5
"""One sentence in so many is asked about by the exam alone; the texts hold it as the others."""
SHORTEST, LONGEST = 30, 200
"""Characters of a sentence that is asked about."""
_NAME = re.compile(r"\b[A-ZÁÉÍÓÚÜÑ][\wáéíóúüñ]{2,}(?:(?: (?:de|del|of|the))? [A-ZÁÉÍÓÚÜÑ][\wáéíóúüñ]+){0,2}")
_NOUN = re.compile(
    r"\b(?:el|la|los|las|un|una|del?|su|sus|este|esta|cada|the|an?|of|his|her|its|their|this|each) ([^\W\d_]{5,})"
)
"""Most words after an article or a preposition are nouns, which can be asked about."""
_NUMBER = re.compile(r"\b\d+(?:[.,]\d+)*\b")


@dataclass(frozen=True)
class Told:
    """A sentence in its place: `text.sentences[number]`."""

    text: Text
    number: int

    @property
    def sentence(self) -> str:
        return self.text.sentences[self.number]


@dataclass(frozen=True, eq=False)
class Text:
    """A piece of a document."""

    source: str
    title: str
    lang: str
    sentences: list[str]

    def around(self, number: int, before: int, after: int) -> str:
        return " ".join(self.sentences[max(0, number - before) : number + after + 1])


class Library:
    """All texts in Spanish or English, and how many sentences hold each word."""

    def __init__(self, rows: Iterable[dict[str, str]]):
        """`rows` of a corpus: text, lang, source. Texts in other languages are left out: no lesson speaks them."""
        self.texts = [
            Text(row["source"], title_of(row["source"]), row["lang"], sentences(row["text"]))
            for row in rows
            if row["lang"] in LANGS
        ]
        self.titles = sorted({text.title for text in self.texts})
        self.holding: Counter[str] = Counter()
        for text in self.texts:
            for sentence in text.sentences:
                self.holding.update(set(words(sentence)))
        self._told: dict[tuple[str, bool], list[Told]] = defaultdict(list)
        for text in self.texts:
            for number, sentence in enumerate(text.sentences):
                if SHORTEST <= len(sentence) <= LONGEST and sentence[-1] in '.!?…»"”':
                    self._told[text.lang, is_held(sentence)].append(Told(text, number))

    def told(self, lang: str, for_exam: bool) -> list[Told]:
        """The sentences of this language that may be asked about on this side of the hold-out."""
        return self._told[lang, for_exam]

    def terms(self, sentence: str, rng: random.Random) -> list[str]:
        """What can be asked about in a sentence: names and numbers, then nouns; within each the rarest first."""
        first = sentence.split(" ", 1)[0].strip("¿¡«“\"'(—-")
        names = [match[0] for match in _NAME.finditer(sentence) if match[0].split()[0] != first]
        names += [match[0] for match in _NUMBER.finditer(sentence)]
        nouns = [match[1] for match in _NOUN.finditer(sentence) if match[1][0].islower()]
        return [
            term
            for kind in (names, nouns)
            for term in sorted(dict.fromkeys(kind), key=lambda term: (self.rarity(term), rng.random()))
        ]

    def rarity(self, term: str) -> int:
        """How many sentences hold its rarest word."""
        return min(self.holding[word] for word in words(term))

    def holds(self, phrase: str) -> bool:
        """Whether all its words stand somewhere in the documents."""
        return all(self.holding[word] for word in words(phrase))


def is_held(sentence: str) -> bool:
    return held_out(f"own {' '.join(words(sentence))}", HELD_SHARE)


def title_of(source: str) -> str:
    """What people call the file: its name without endings, signs as spaces."""
    name = Path(source).name.split(".")[0]
    return " ".join(re.sub(r"[_\-]+", " ", name).split()) or name
