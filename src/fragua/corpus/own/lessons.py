"""What is taught and asked of own documents: one function a family, `lesson(asker) -> Task | None`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from fragua.corpus.aldea.abilities.translation import ASKS as TRANSLATE
from fragua.corpus.aldea.asking import Task
from fragua.corpus.aldea.graders.text import bare, has, normal
from fragua.corpus.aldea.names import table
from fragua.corpus.own.library import LONGEST, Library, Told, is_held
from fragua.settings import read_toml

MOST_PASSAGE = 420
"""Characters of a passage in a question: with its answer it fits 256 tokens."""


@cache
def forms() -> dict[str, dict[str, list[str]]]:
    """The wordings by what they ask or answer, then language."""
    return read_toml(Path(__file__).parent / "forms.toml")


@dataclass
class OwnAsker:
    """Chance, a language and a side of the hold-out over a library."""

    library: Library
    pairs: Sequence[tuple[str, str]]
    rng: random.Random
    lang: str
    for_exam: bool

    def told(self) -> Told | None:
        known = self.library.told(self.lang, self.for_exam)
        return self.rng.choice(known) if known else None

    def say(self, form: str, **holes: str) -> str:
        text = self.rng.choice(forms()[form][self.lang])
        for name, filling in holes.items():
            text = text.replace(f"{{{name}}}", filling)
        return text

    def term(self, sentence: str, most: int) -> str | None:
        """What the sentence can be asked for by: a term that stands in at most so many sentences."""
        found = self.library.terms(sentence, self.rng)
        return next((term for term in found if self.library.rarity(term) <= most), None)

    def passage(self, told: Told) -> str:
        """The sentence among its neighbours."""
        before, after = self.rng.randint(0, 2), self.rng.randint(1, 2)
        text = told.text.around(told.number, before, after)
        return text if len(text) <= MOST_PASSAGE else told.text.around(told.number, 0, 0)

    @cached_property
    def translatable(self) -> list[tuple[str, str]]:
        return [
            pair
            for pair in self.pairs
            if max(map(len, pair)) <= LONGEST
            and min(map(len, pair)) >= 10
            and is_held(pair[0]) is self.for_exam
        ]


def read(asker: OwnAsker) -> Task | None:
    """An extractive question: the answer is the source sentence."""
    told = asker.told()
    term = asker.term(told.sentence, most=20) if told else None
    if told is None or term is None:
        return None
    passage = asker.passage(told)
    first = next(each for each in told.text.sentences if has(normal(each), bare(term)) and each in passage)
    if first != told.sentence:
        return None
    answer = asker.say("quoted", s=told.sentence)
    return _sentence(asker.say("read", t=passage, x=term), answer, told.sentence)


def missing(asker: OwnAsker) -> Task | None:
    """The same question over a passage that has nothing to do with it."""
    told, other = asker.told(), asker.told()
    if told is None or other is None or (told.text is other.text and len(asker.library.texts) > 1):
        return None
    term = asker.term(told.sentence, most=20)
    passage = asker.passage(other)
    if term is None or has(normal(passage), bare(term)):
        return None
    answer = asker.say("missing", x=term)
    return Task(
        asker.say("read", t=passage, x=term), answer, "abstention", lambda: {"mention": [term], "kind": "own"}
    )


def recall(asker: OwnAsker) -> Task | None:
    """The extractive question without the passage: what was learned by heart."""
    told = asker.told()
    term = asker.term(told.sentence, most=1) if told else None
    if told is None or term is None:
        return None
    return _sentence(asker.say("recall", x=term), told.sentence, told.sentence)


def cloze(asker: OwnAsker) -> Task | None:
    """A word of a sentence is missing, and no passage is there to find it in."""
    return _cloze(asker, with_passage=False)


def cloze_read(asker: OwnAsker) -> Task | None:
    """A word of a sentence is missing, and the passage before it holds it."""
    return _cloze(asker, with_passage=True)


def _cloze(asker: OwnAsker, with_passage: bool) -> Task | None:
    told = asker.told()
    terms = asker.library.terms(told.sentence, asker.rng) if told else []
    if told is None or not terms:
        return None
    term = asker.rng.choice(terms[:3])
    if told.sentence.count(term) != 1:
        return None
    gap = told.sentence.replace(term, "____")
    if with_passage:
        request = asker.say("cloze_read", t=asker.passage(told), s=gap)
    else:
        request = asker.say("cloze", d=told.text.title, s=gap)
    return Task(request, term, "exact", lambda: {"accept": [term, told.sentence]})


def which(asker: OwnAsker) -> Task | None:
    """Which document says a sentence."""
    told = asker.told()
    if told is None or len(asker.library.titles) < 2:
        return None
    title = told.text.title
    others = [
        other for other in asker.library.titles if not has(normal(title), bare(other)) and other != title
    ]
    return Task(
        asker.say("which", s=told.sentence),
        asker.say("says", d=title),
        "answer",
        lambda: {"accept": [title], "reject": others[:200]},
    )


def summary(asker: OwnAsker) -> Task | None:
    """A paragraph's leading sentence, which is its best plain summary (Brandow et al. 1995)."""
    told = asker.told()
    if told is None or told.number + 2 >= len(told.text.sentences):
        return None
    passage = told.text.around(told.number, 0, 3)
    if len(passage) > MOST_PASSAGE:
        passage = told.text.around(told.number, 0, 1)
    if len(passage) > MOST_PASSAGE or len(passage) < 1.5 * len(told.sentence):
        return None
    return _sentence(asker.say("summary", t=passage), told.sentence, told.sentence)


def translation(asker: OwnAsker) -> Task | None:
    """The same sentence of the documents in the other language."""
    if not asker.translatable:
        return None
    es, en = asker.rng.choice(asker.translatable)
    source, target = (es, en) if asker.lang == "es" else (en, es)
    return _sentence(asker.rng.choice(TRANSLATE[asker.lang]).replace("{x}", source), target, target)


def unknown(asker: OwnAsker) -> Task | None:
    """A matter of which the documents say nothing."""
    topics = table("unknown.toml")
    name = asker.rng.choice(sorted(topics))
    topic = str(topics[name][asker.lang])
    if is_held(name) is not asker.for_exam or asker.library.holds(bare(topic)):
        return None
    answer = asker.say("not_there", x=topic)
    return Task(
        asker.say("unknown", x=topic), answer, "abstention", lambda: {"mention": [topic], "kind": "own"}
    )


def _sentence(request: str, answer: str, sentence: str) -> Task:
    """A good answer holds the sentence's words: token F1 of 0.8 (the translation's grader)."""
    spec: dict[str, Any] = {"references": [sentence, answer], "names": []}
    return Task(request, answer, "translation", lambda: spec)


@dataclass(frozen=True)
class Lesson:
    task: Callable[[OwnAsker], Task | None]
    weight: int
    knowledge: bool = False
    """Whether the answer must be known by heart: nothing in the question holds it."""


LESSONS = {
    "own_read": Lesson(read, 24),
    "own_missing": Lesson(missing, 14),
    "own_cloze_read": Lesson(cloze_read, 14),
    "own_summary": Lesson(summary, 8),
    "own_translation": Lesson(translation, 8),
    "own_recall": Lesson(recall, 14, knowledge=True),
    "own_cloze": Lesson(cloze, 10, knowledge=True),
    "own_which": Lesson(which, 8, knowledge=True),
    "own_unknown": Lesson(unknown, 6),
}
