"""A right answer, and a quotation of one sentence that stands in the passage word for word and says so."""

from __future__ import annotations

import re

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.graders.text import MOST_WORDS, Grade, bare, final_text, has, has_any, normal

_QUOTED = re.compile(r"«([^«»]+)»|“([^“”]+)”|\"([^\"]+)\"")


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    said, spec = final_text(reply), item.spec
    if len(said.split()) > MOST_WORDS:
        return Grade(False, "too long")
    quotes = ["".join(found).strip() for found in _QUOTED.findall(said)]
    if len(quotes) != 1:
        return Grade(False, f"{len(quotes)} quotations")
    quote = quotes[0]
    if quote not in spec["passage"] or re.search(r"[.!?] ", quote):
        return Grade(False, "not one sentence of the text")
    if not has(normal(quote), bare(spec["about"])) or has_any(normal(quote), spec["accept"]) is None:
        return Grade(False, "the quotation does not say it")
    answer = normal(_QUOTED.sub(" ", said))
    if has_any(answer, spec["accept"]) is None:
        return Grade(False, f"none of: {', '.join(spec['accept'])}")
    wrong = has_any(answer, spec["reject"])
    return Grade(wrong is None, f"also says {wrong}" if wrong else "answers and quotes")
