"""Every ability of the assistant: one small file each, registered here with its share of the conversations.

An ability has `exchange(asker) -> list[Message] | Offered | None`, a question and its good answer (with the tools that
it offers, if any), and `examine(asker) -> ExamItem | None`, a question from the exam's side of the hold-out with its
answer key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fragua.corpus.aldea.abilities import (
    arithmetic,
    constraints,
    correcting,
    drafting,
    facts,
    few_shot,
    functions,
    inverse,
    missing,
    passages,
    real_facts,
    recommendations,
    references,
    rewriting,
    secrets,
    sentiment,
    sources,
    steps,
    stories,
    summaries,
    talk,
    tools,
    topic,
    translation,
    two_hops,
    unknown,
)
from fragua.corpus.aldea.asking import Asker, ExamItem, Message, Offered


@dataclass(frozen=True)
class Ability:
    exchange: Callable[[Asker], list[Message] | Offered | None]
    examine: Callable[[Asker], ExamItem | None]
    weight: int
    knowledge: bool = False
    """Whether its answers are facts learned by heart: those of another world nobody can know."""
    alone: bool = False
    """Whether its exchange starts a conversation: it brings tools, examples or a passage of its own."""


ABILITIES = {
    "facts": Ability(facts.exchange, facts.examine, 31, knowledge=True),
    "real_facts": Ability(real_facts.exchange, real_facts.examine, 12, knowledge=True),
    "passages": Ability(passages.exchange, passages.examine, 10, alone=True),
    "missing": Ability(missing.exchange, missing.examine, 6, alone=True),
    "arithmetic": Ability(arithmetic.exchange, arithmetic.examine, 12),
    "translation": Ability(translation.exchange, translation.examine, 10),
    "secrets": Ability(secrets.exchange, secrets.examine, 5),
    "unknown": Ability(unknown.exchange, unknown.examine, 10),
    "talk": Ability(talk.exchange, talk.examine, 24),
    "two_hops": Ability(two_hops.exchange, two_hops.examine, 16, knowledge=True),
    "sources": Ability(sources.exchange, sources.examine, 6, alone=True),
    "references": Ability(references.exchange, references.examine, 14, knowledge=True),
    "sentiment": Ability(sentiment.exchange, sentiment.examine, 6),
    "topic": Ability(topic.exchange, topic.examine, 5),
    "tools": Ability(tools.exchange, tools.examine, 8, alone=True),
    "summaries": Ability(summaries.exchange, summaries.examine, 6),
    "inverse": Ability(inverse.exchange, inverse.examine, 8),
    "recommendations": Ability(recommendations.exchange, recommendations.examine, 10, knowledge=True),
    "few_shot": Ability(few_shot.exchange, few_shot.examine, 10, alone=True),
    "steps": Ability(steps.exchange, steps.examine, 6),
    "correcting": Ability(correcting.exchange, correcting.examine, 5),
    "rewriting": Ability(rewriting.exchange, rewriting.examine, 6),
    "drafting": Ability(drafting.exchange, drafting.examine, 5),
    "constraints": Ability(constraints.exchange, constraints.examine, 12),
    "stories": Ability(stories.exchange, stories.examine, 6),
    "functions": Ability(functions.exchange, functions.examine, 7),
}
