"""Every grader: one small file each, registered here. A grader is `grade(item, reply) -> Grade`."""

from __future__ import annotations

from collections.abc import Callable

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders import (
    abstention,
    answer,
    calculation,
    exact,
    form,
    letter,
    program,
    question,
    quotation,
    refusal,
    story,
    summary,
    tool_call,
    translation,
    words,
)
from fragua.corpus.aldea.graders.text import Grade

GRADERS: dict[str, Callable[[ExamItem, list[Message]], Grade]] = {
    "answer": answer.grade,
    "abstention": abstention.grade,
    "calculation": calculation.grade,
    "refusal": refusal.grade,
    "translation": translation.grade,
    "words": words.grade,
    "quotation": quotation.grade,
    "tool_call": tool_call.grade,
    "exact": exact.grade,
    "summary": summary.grade,
    "question": question.grade,
    "letter": letter.grade,
    "form": form.grade,
    "story": story.grade,
    "program": program.grade,
}
