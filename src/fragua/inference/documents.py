"""Answers from documents: passages found by full-text search, read by the model, quoted; else an honest 'not there'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from fragua.corpus.document import Reading
from fragua.corpus.language import detect_language
from fragua.corpus.read import read_documents
from fragua.corpus.search import ASKING, STEM, Found, PassageIndex, passages
from fragua.corpus.sentences import sentences
from fragua.corpus.words import words
from fragua.inference.language_model import LanguageModel

LEAST_COVERED = 0.4
"""A passage that holds less of the question's words than this is not read: it is about something else. On XQuAD nine
in ten paragraphs hold more of their own questions, and two in ten of the best of other articles."""
MOST_READ = 3
MAX_TOKENS = 64
PROMPT = {"es": "Texto: {t}\nPregunta: {q}", "en": "Text: {t}\nQuestion: {q}"}
"""As the embedded world's lessons in reading put it."""
THEY_SAY = {"es": "Los documentos dicen: «{s}»", "en": "The documents say: “{s}”"}
NOT_THERE = {"es": "Los documentos no lo dicen.", "en": "The documents do not say."}
_DENIALS = {
    "no lo dice", "no dice", "no lo sé", "no sé", "no se dice", "no aparece", "not say", "does not say", "do not know",
    "don't know", "no information", "not mention",
}  # fmt: skip


class Read(NamedTuple):
    """What a passage answers: the model's words where they stand in it ('model'), the likeliest sentence itself where
    they do not ('quote'), nothing where the model says that it is not there ('none')."""

    text: str
    by: Literal["model", "quote", "none"]


class FromDocuments(NamedTuple):
    """`quote` stands word for word in `source`; both are empty for an abstention, and `text` says so.
    `found`: what the search gave, read or not."""

    text: str
    by: Literal["model", "quote", "none"]
    quote: str
    source: str
    found: list[Found]

    @property
    def abstains(self) -> bool:
        return self.by == "none"


def open_documents(sources: Iterable[str | Path], reading: Reading | None = None) -> PassageIndex:
    """Raises InputError for a source that can't be read, or when there is no text in them."""
    return PassageIndex(passages(read_documents(sources, reading)))


def answer_from(
    lm: LanguageModel, index: PassageIndex, question: str, lang: str = "", max_tokens: int = MAX_TOKENS
) -> FromDocuments:
    """Reads the best passages one after the other until one gives an answer in the model's own words; without such,
    the sentence of the first that the model did not deny."""
    lang = lang or language_of(question)
    found = index.search(question, MOST_READ)
    quoted: FromDocuments | None = None
    for each in found:
        if each.covered < LEAST_COVERED:
            continue
        passage, source = each.passage
        (read,) = read_passages(lm, [(passage, question)], lang, max_tokens)
        if read.by == "model":
            return FromDocuments(read.text, "model", quote(passage, question, read.text), source, found)
        if read.by == "quote" and quoted is None:
            text = THEY_SAY[lang].replace("{s}", read.text)
            quoted = FromDocuments(text, "quote", read.text, source, found)
    return quoted or FromDocuments(NOT_THERE[lang], "none", "", "", found)


def read_passages(
    lm: LanguageModel, asked: Sequence[tuple[str, str]], lang: str, max_tokens: int = MAX_TOKENS
) -> list[Read]:
    """What each (passage, question) gives, side by side."""
    conversations = [
        [{"role": "user", "content": fitted(lm, passage, question, lang, max_tokens)}]
        for passage, question in asked
    ]
    replies = lm.reply(conversations, tools=[], max_tokens=max_tokens)
    said = [str(reply[-1].get("content") or "").strip() if reply else "" for reply in replies]
    return [judged(text, passage, question) for text, (passage, question) in zip(said, asked, strict=True)]


def judged(reply: str, passage: str, question: str) -> Read:
    if any(denial in reply.lower() for denial in _DENIALS):
        return Read("", "none")
    if supported(reply, passage, question):
        return Read(reply, "model")
    return Read(quote(passage, question, ""), "quote")


def supported(reply: str, passage: str, question: str) -> bool:
    """Whether it answers with words of the passage: all that are not the question's, small words apart."""
    held, asked = _stems(passage), _stems(question)
    new = [stem for stem in _stems(reply) if len(stem) > 3 or stem.isdigit()]
    said = [stem for stem in new if stem not in asked]
    return bool(new) and all(stem in held for stem in said) and any(stem in held for stem in new)


def quote(passage: str, question: str, reply: str) -> str:
    """The passage's sentence that holds most of the answer's words, then of the question's; the first of equals."""
    said, asked = _stems(reply), _stems(question)

    def shares(sentence: str) -> tuple[int, int]:
        held = _stems(sentence)
        return len(held & (said - asked)), len(held & (said | asked))

    return max(sentences(passage), key=shares)


def fitted(lm: LanguageModel, passage: str, question: str, lang: str, max_tokens: int) -> str:
    """The prompt, its passage cut to the sentences around the likeliest one where the whole does not fit."""

    def prompt(text: str) -> str:
        return PROMPT[lang].replace("{t}", text).replace("{q}", question)

    def fits(text: str) -> bool:
        ids = lm.chat_ids([{"role": "user", "content": prompt(text)}], [])
        return len(ids) + max_tokens // 2 <= lm.context

    return prompt(passage if fits(passage) else around(passage, question, fits))


def around(passage: str, question: str, fits: Callable[[str], bool]) -> str:
    """The sentence with most of the question's words and as many neighbours as fit; the sentence alone is cut."""
    told, asked = sentences(passage), _stems(question)
    at = max(range(len(told)), key=lambda number: len(_stems(told[number]) & asked))
    first = last = at
    while True:
        grown = [(first - 1, last), (first, last + 1)]
        wider = next(
            ((a, b) for a, b in grown if a >= 0 and b < len(told) and fits(" ".join(told[a : b + 1]))), None
        )
        if wider is None:
            break
        first, last = wider
    text = " ".join(told[first : last + 1])
    while not fits(text) and " " in text:
        text = text.rsplit(" ", max(1, len(text) // 60))[0]
    return text


def language_of(text: str) -> str:
    """Spanish unless it looks English: the two that the prompts are in."""
    return "en" if detect_language(text) == "en" else "es"


def _stems(text: str) -> set[str]:
    return {word[:STEM] for word in words(text) if word not in ASKING}
