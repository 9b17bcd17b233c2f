"""Reading comprehension (SQuAD's form): exact match and F1, abstention, and the search for the passage beside it."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fragua.corpus.search import Passage, PassageIndex
from fragua.errors import InputError
from fragua.evaluation.exam import share
from fragua.files import read_json
from fragua.inference.documents import LEAST_COVERED, Read, language_of, quote, read_passages
from fragua.inference.language_model import LanguageModel
from fragua.progress import progress_bar

GROUP = 64
DEPTH = 5
"""Passages that the search may give."""
_ARTICLES = re.compile(r"\b(a|an|the|un|una|unos|unas|el|la|los|las)\b")


class Question(NamedTuple):
    """`context`: the number of the paragraph that answers it."""

    id: str
    text: str
    answers: list[str]
    context: int
    article: int


def read_squad(path: Path) -> tuple[list[str], list[Question]]:
    """(paragraphs, answerable questions). Raises InputError where the file is not in SQuAD's form."""
    paragraphs: list[str] = []
    questions = []
    try:
        for article, each in enumerate(read_json(path)["data"]):
            for paragraph in each["paragraphs"]:
                paragraphs.append(paragraph["context"].replace("\ufeff", ""))
                for asked in paragraph["qas"]:
                    answers = [answer["text"] for answer in asked["answers"]]
                    if answers:
                        text = asked["question"].strip()
                        questions.append(
                            Question(str(asked["id"]), text, answers, len(paragraphs) - 1, article)
                        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"not in SQuAD's form ({error})", path, 'needed: {"data": [{"paragraphs": [{"context", "qas"}]}]}'
        ) from error
    if not questions:
        raise InputError("holds no question with an answer", path)
    return paragraphs, questions


def normal(text: str) -> str:
    """As SQuAD's and MLQA's own evaluation: small letters, no punctuation, no articles (of both languages)."""
    kept = "".join(
        mark
        for mark in text.lower()
        if mark not in string.punctuation and not unicodedata.category(mark).startswith("P")
    )
    return " ".join(_ARTICLES.sub(" ", kept).split())


def exact_match(said: str, answers: Sequence[str]) -> bool:
    return normal(said) in {normal(answer) for answer in answers}


def f1(said: str, answers: Sequence[str]) -> float:
    """The best of the answers' harmonic means of precision and recall of words."""
    return max(_f1(normal(said).split(), normal(answer).split()) for answer in answers)


def _f1(said: list[str], answer: list[str]) -> float:
    shared = (Counter(said) & Counter(answer)).total()
    if not said or not answer:
        return float(said == answer)
    return 2 * shared / (len(said) + len(answer))


def reading(lm: LanguageModel, path: Path, items: int | None = None) -> dict[str, Any]:
    """As `answer_from` does it: a paragraph that holds too little of the question is not read, which is an abstention.

    `answerable` (its own paragraph given): `exact_match`, `f1`, shares `answered`, of it `by_model` (the others are
    sentences quoted without it), and `not_read`; `unanswerable` (a paragraph of another article given): `abstained`,
    `not_read`; `retrieval`: `recall_at_1`, `recall_at_5`, `reciprocal_rank`, `sentence_holds_answer` (the likeliest of
    the first paragraph, picked without the model), and `exact_match`, `f1` of what is said of the first; `overall_f1`
    over both kinds (an abstention where there is no answer counts 1); `answers`."""
    paragraphs, questions = read_squad(path)
    questions = _spread(questions, items)
    lang = language_of(" ".join(question.text for question in questions[:50]))
    index = PassageIndex(Passage(text, str(number)) for number, text in enumerate(paragraphs))

    def asked(number: int, question: Question) -> tuple[str, str]:
        enough = index.covered(question.text, number) >= LEAST_COVERED
        return paragraphs[number] if enough else "", question.text

    own = [asked(question.context, question) for question in questions]
    other = [asked(_another(question, questions), question) for question in questions]
    found = [index.search(question.text, DEPTH) for question in questions]
    first = [
        (each[0].passage.text if each and each[0].covered >= LEAST_COVERED else "", question.text)
        for each, question in zip(found, questions, strict=True)
    ]
    with progress_bar("xquad", 3 * len(questions), "questions") as advance:
        given, others, searched = (list(_read(lm, asked, lang, advance)) for asked in (own, other, first))
    ranks = [
        next((rank for rank, each in enumerate(hits, 1) if int(each.passage.source) == question.context), 0)
        for hits, question in zip(found, questions, strict=True)
    ]
    holds = [
        bool(hits) and _holds(quote(hits[0].passage.text, question.text, ""), question.answers)
        for hits, question in zip(found, questions, strict=True)
    ]
    count = len(questions)
    abstained = [said.by == "none" for said in others]
    own_f1 = [f1(said.text, question.answers) for said, question in zip(given, questions, strict=True)]
    return {
        "language": lang,
        "questions": count,
        "answerable": {
            **_scores(given, questions),
            "answered": share([{"correct": said.by != "none"} for said in given]),
            "by_model": sum(said.by == "model" for said in given) / count,
            "not_read": sum(not passage for passage, _ in own) / count,
        },
        "unanswerable": {
            "abstained": share([{"correct": each} for each in abstained]),
            "not_read": sum(not passage for passage, _ in other) / count,
        },
        "overall_f1": (sum(own_f1) + sum(abstained)) / (2 * count),
        "retrieval": {
            "recall_at_1": sum(rank == 1 for rank in ranks) / count,
            "recall_at_5": sum(rank > 0 for rank in ranks) / count,
            "sentence_holds_answer": sum(holds) / count,
            "reciprocal_rank": sum(1 / rank for rank in ranks if rank) / count,
            **_scores(searched, questions),
        },
        "answers": [
            {
                "id": question.id,
                "question": question.text,
                "expected": question.answers[0],
                "reply": said._asdict(),
                "reply_to_another_paragraph": elsewhere._asdict(),
                "reply_to_what_was_found": beyond._asdict(),
                "rank": rank,
            }
            for question, said, elsewhere, beyond, rank in zip(
                questions, given, others, searched, ranks, strict=True
            )
        ],
    }


def _read(
    lm: LanguageModel, asked: Sequence[tuple[str, str]], lang: str, advance: Callable[..., None]
) -> Iterator[Read]:
    """An empty passage is not read: the answer is none."""
    for start in range(0, len(asked), GROUP):
        group = asked[start : start + GROUP]
        replies = iter(read_passages(lm, [pair for pair in group if pair[0]], lang))
        yield from (next(replies) if passage else Read("", "none") for passage, _ in group)
        advance(len(group))


def _scores(said: Sequence[Read], questions: Sequence[Question]) -> dict[str, float]:
    pairs = list(zip(said, questions, strict=True))
    return {
        "exact_match": sum(exact_match(read.text, question.answers) for read, question in pairs) / len(pairs),
        "f1": sum(f1(read.text, question.answers) for read, question in pairs) / len(pairs),
    }


def _holds(sentence: str, answers: Sequence[str]) -> bool:
    return any(f" {normal(answer)} " in f" {normal(sentence)} " for answer in answers)


def _spread(questions: list[Question], items: int | None) -> list[Question]:
    """`items` of the questions, evenly taken."""
    if items is None or items >= len(questions):
        return questions
    return [questions[at * len(questions) // items] for at in range(items)]


def _another(question: Question, questions: Sequence[Question]) -> int:
    """The paragraph of the next question of another article; its own where there is one article only."""
    at = questions.index(question)
    ahead = (*questions[at:], *questions[:at])
    return next((each.context for each in ahead if each.article != question.article), question.context)
