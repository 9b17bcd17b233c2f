"""What an exam gives to whoever has learned nothing: a constant answer, an echo, a stored reply to a like question.

A fair exam gives them little. What a model gets above them it owes to its training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from fragua.corpus.aldea.exam import ExamItem, grade
from fragua.corpus.conversations import Conversation
from fragua.evaluation.exam import Reply, shares, tally
from fragua.evaluation.nearest import Nearest


def controls(
    items: Sequence[ExamItem], conversations: Iterable[Conversation] | None = None
) -> dict[str, dict[str, Any]]:
    """`{"constant", "echo", "neighbour"}`, each with `accuracy`, `by_family` and so on as an exam has them.

    The neighbour needs the conversations of fine-tuning; without them it is left out."""
    found = {"constant": shares(constant(items)), "echo": shares(echo(items))}
    if conversations is not None:
        found["neighbour"] = shares(neighbour(items, conversations))
    return found


def constant(items: Sequence[ExamItem]) -> list[dict[str, Any]]:
    """The one good answer of each family and language that passes for most of the others, given to all of them."""
    groups: dict[tuple[str, str], list[ExamItem]] = defaultdict(list)
    for item in items:
        groups[item.family, item.lang].append(item)
    rows = []
    for group in groups.values():
        golds = {str(item.gold): item for item in group}
        tries = [
            [tally(item, bool(grade(item, own.gold))) for item in group if item is not own]
            for own in golds.values()
        ]
        rows += max(tries, key=lambda graded: sum(row["correct"] for row in graded))
    return rows


def echo(items: Sequence[ExamItem]) -> list[dict[str, Any]]:
    """The question said again."""
    return [tally(item, bool(grade(item, _says(item.question)))) for item in items]


def neighbour(items: Sequence[ExamItem], conversations: Iterable[Conversation]) -> list[dict[str, Any]]:
    """The reply that stands in the fine-tuning set after what is most like the question.

    A question there is known by its own words, and once more with all that was said before it."""
    asked: list[str] = []
    replies: list[Reply] = []
    for conversation in conversations:
        for before, reply in exchanges(conversation.messages):
            for text in dict.fromkeys((str(before[-1]["content"]), _text(before))):
                asked.append(text)
                replies.append(reply)
    if not asked:
        return [tally(item, False) for item in items]
    index = Nearest(asked)
    return [tally(item, bool(grade(item, replies[index.find(_text(item.messages))]))) for item in items]


def exchanges(messages: Sequence[dict[str, Any]]) -> list[tuple[Reply, Reply]]:
    """(what was said up to a user's message, all that answers it) for each user's message."""
    starts = [at for at, message in enumerate(messages) if message["role"] == "user"]
    ends = [*starts[1:], len(messages)]
    return [
        (list(messages[: start + 1]), list(messages[start + 1 : end]))
        for start, end in zip(starts, ends, strict=True)
        if end > start + 1
    ]


def _text(messages: Sequence[dict[str, Any]]) -> str:
    return "\n".join(str(message.get("content") or "") for message in messages)


def _says(text: str) -> Reply:
    return [{"role": "assistant", "content": text}]
