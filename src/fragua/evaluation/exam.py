"""The exam: a model answers a world's questions, code grades them, and the shares come with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fragua.corpus.aldea.abilities import ABILITIES
from fragua.corpus.aldea.exam import ExamItem, grade, wilson
from fragua.corpus.own.lessons import LESSONS
from fragua.evaluation.declared import declared_tools
from fragua.inference.language_model import LanguageModel
from fragua.progress import progress_bar

GROUP = 64
"""Questions asked side by side."""
MAX_TOKENS = 96
"""Tokens of one message; the graders fail replies of more than 60 words."""
SHOTS = 4

Reply = list[dict[str, Any]]
WORDS = {"es": ("Pregunta", "Respuesta"), "en": ("Question", "Answer")}


def run_exam(lm: LanguageModel, items: Sequence[ExamItem], max_tokens: int = MAX_TOKENS) -> dict[str, Any]:
    """Asks an assistant every item (greedy, tools allowed) and grades the messages it answers with.

    Returns `shares` of the answers, and `answers`. A question that leaves no room in the context is a wrong
    answer that says so."""

    def ask(group: Sequence[ExamItem]) -> list[Reply | None]:
        tools = [declared_tools(item) for item in group]
        fits = [
            len(lm.chat_ids(item.messages, each)) < lm.context
            for item, each in zip(group, tools, strict=True)
        ]
        asked = [(item.messages, each) for item, each, fit in zip(group, tools, fits, strict=True) if fit]
        replies = iter(
            lm.reply(
                [messages for messages, _ in asked],
                tools_each=[each for _, each in asked],
                max_tokens=max_tokens,
            )
        )
        return [next(replies) if fit else None for fit in fits]

    return _examine(items, ask)


def run_base_exam(
    lm: LanguageModel, items: Sequence[ExamItem], max_tokens: int = MAX_TOKENS
) -> dict[str, Any]:
    """The same for a model that only continues text: 'Pregunta: … Respuesta: …' after up to four examples.

    The examples are other items of the same language, one of a family, the shortest first; where the context
    is short there are fewer. The answer is the first line that the model writes."""

    def ask(group: Sequence[ExamItem]) -> list[Reply | None]:
        prompts = [_prompt(lm, items, item, max_tokens) for item in group]
        asked = [prompt for prompt in prompts if prompt is not None]
        answers = iter(lm.generate(asked, max_tokens=max_tokens, stop=("\n",)))
        return [
            None if prompt is None else [{"role": "assistant", "content": next(answers).text.strip()}]
            for prompt in prompts
        ]

    return _examine(items, ask)


def _examine(
    items: Sequence[ExamItem], ask: Callable[[Sequence[ExamItem]], list[Reply | None]]
) -> dict[str, Any]:
    """Asks groups of neighbours in length, grades, counts; answers in the items' order."""
    answers: dict[int, dict[str, Any]] = {}
    order = sorted(range(len(items)), key=lambda index: len(items[index].question))
    correct = 0
    with progress_bar("exam", len(items), "questions") as advance:
        for start in range(0, len(order), GROUP):
            group = order[start : start + GROUP]
            for index, reply in zip(group, ask([items[index] for index in group]), strict=True):
                answers[index] = _graded(items[index], reply)
                correct += answers[index]["correct"]
            advance(len(group), correct=correct)
    rows = [answers[index] for index in range(len(items))]
    return shares(rows) | {"answers": rows}


def _graded(item: ExamItem, reply: Reply | None) -> dict[str, Any]:
    told = None if reply is None else grade(item, reply)
    return {
        "id": item.id,
        **tally(item, bool(told)),
        "question": item.question,
        "expected": item.gold[-1]["content"],
        "reply": reply[-1].get("content", "") if reply else "",
        "messages": reply or [],
        "why": "the question does not fit the context" if told is None else told.why,
    }


def tally(item: ExamItem, correct: bool) -> dict[str, Any]:
    """What `shares` counts of an answer; `kind` says whether the family asks for facts learned by heart, `part`
    whether it is about own documents."""
    family = LESSONS.get(item.family) or ABILITIES.get(item.family)
    kind = "knowledge" if family and family.knowledge else "ability"
    part = "documents" if item.family in LESSONS else "abilities"
    return {"family": item.family, "lang": item.lang, "kind": kind, "part": part, "correct": correct}


def shares(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`accuracy`, `by_kind`, `by_part`, `by_language`, `by_family` and `by_family_and_language`.

    The last is {family: {lang: share}}. A share is `{"value", "low", "high", "n"}` with Wilson's 95 % interval."""
    families = _by(rows, "family")
    return {
        "accuracy": share(rows),
        "by_kind": {kind: share(part) for kind, part in _by(rows, "kind").items()},
        "by_part": {part: share(told) for part, told in _by(rows, "part").items()},
        "by_language": {lang: share(part) for lang, part in _by(rows, "lang").items()},
        "by_family": {family: share(part) for family, part in families.items()},
        "by_family_and_language": {
            family: {lang: share(both) for lang, both in _by(part, "lang").items()}
            for family, part in families.items()
        },
    }


def share(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The share of correct rows with Wilson's interval."""
    right = sum(row["correct"] for row in rows)
    low, high = wilson(right, len(rows))
    return {"value": right / len(rows) if rows else 0.0, "low": low, "high": high, "n": len(rows)}


def _by(rows: Sequence[dict[str, Any]], key: str) -> dict[str, list[dict[str, Any]]]:
    return {value: [row for row in rows if row[key] == value] for value in sorted({row[key] for row in rows})}


def _prompt(lm: LanguageModel, items: Sequence[ExamItem], item: ExamItem, max_tokens: int) -> str | None:
    """As many of the examples as leave room for the answer; None where the question alone does not fit."""
    asks, answers = WORDS[item.lang]
    shots = [
        f"{asks}: {shot.question}\n{answers}: {shot.gold[-1]['content']}\n\n" for shot in _shots(items, item)
    ]
    question = f"{asks}: {item.question}\n{answers}:"
    room = lm.context - max_tokens
    for count in range(len(shots), -1, -1):
        prompt = "".join(shots[:count]) + question
        if len(lm.tokenizer.encode(prompt)) < (room if count else lm.context):
            return prompt
    return None


def _shots(items: Sequence[ExamItem], item: ExamItem) -> list[ExamItem]:
    """The shortest other items of the language, one of a family."""
    shots: dict[str, ExamItem] = {}
    for other in sorted(items, key=lambda other: len(other.question) + len(str(other.gold[-1]["content"]))):
        if other.lang == item.lang and other.question != item.question and len(shots) < SHOTS:
            shots.setdefault(other.family, other)
    return list(shots.values())
