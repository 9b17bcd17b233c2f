"""Answers from documents: passages found by full-text search, read by the model, quoted; else an honest 'not there'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from fragua.corpus.document import Reading
from fragua.corpus.language import detect_language
from fragua.corpus.read import read_documents
from fragua.corpus.search import STEM, Found, PassageIndex, passages
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
NOT_THERE = {"es": "Los documentos no lo dicen.", "en": "The documents do not say."}
_DENIALS = {
    "no lo dice", "no dice", "no lo sé", "no sé", "no se dice", "no aparece", "not say", "does not say", "do not know",
    "don't know", "no information", "not mention",
}  # fmt: skip


class FromDocuments(NamedTuple):
    """`quote` stands word for word in `source`; both are empty where the model abstains, and `text` says so.
    `found`: what the search gave, read or not."""

    text: str
    quote: str
    source: str
    found: list[Found]

    @property
    def abstains(self) -> bool:
        return not self.quote


def open_documents(sources: Iterable[str | Path], reading: Reading | None = None) -> PassageIndex:
    """Raises InputError for a source that can't be read, or when there is no text in them."""
    return PassageIndex(passages(read_documents(sources, reading)))


def answer_from(
    lm: LanguageModel, index: PassageIndex, question: str, lang: str = "", max_tokens: int = MAX_TOKENS
) -> FromDocuments:
    """Reads the best passages one after the other until one gives an answer that stands in it."""
    lang = lang or language_of(question)
    found = index.search(question, MOST_READ)
    for each in found:
        if each.covered < LEAST_COVERED:
            continue
        (reply,) = read_passages(lm, [(each.passage.text, question)], lang, max_tokens)
        if reply:
            return FromDocuments(reply, quote(each.passage.text, question, reply), each.passage.source, found)
    return FromDocuments(NOT_THERE[lang], "", "", found)


def read_passages(
    lm: LanguageModel, asked: Sequence[tuple[str, str]], lang: str, max_tokens: int = MAX_TOKENS
) -> list[str]:
    """What the model answers to each (passage, question), side by side; empty where it abstains or where it says
    what the passage does not."""
    conversations = [
        [{"role": "user", "content": fitted(lm, passage, question, lang, max_tokens)}]
        for passage, question in asked
    ]
    replies = lm.reply(conversations, tools=[], max_tokens=max_tokens)
    said = [str(reply[-1].get("content") or "").strip() if reply else "" for reply in replies]
    return [
        text if supported(text, passage, question) else ""
        for text, (passage, question) in zip(said, asked, strict=True)
    ]


def supported(reply: str, passage: str, question: str) -> bool:
    """Whether it answers, and with words of the passage: all that are not the question's, small words apart."""
    if not reply or any(denial in reply.lower() for denial in _DENIALS):
        return False
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
    return {word[:STEM] for word in words(text)}
