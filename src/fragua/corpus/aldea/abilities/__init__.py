"""Every ability of the assistant: one small file each, registered here with its share of the conversations.

An ability has `task(asker) -> Task | None`: a question of the asker's side of the hold-out with its good answer and its
answer key, or None to pass this time."""

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
from fragua.corpus.aldea.asking import Asker, Task


@dataclass(frozen=True)
class Ability:
    task: Callable[[Asker], Task | None]
    weight: int
    knowledge: bool = False
    """Whether its answers are facts learned by heart: those of another world nobody can know."""
    alone: bool = False
    """Whether its task starts a conversation: it brings tools, examples or a passage of its own."""
    courteous: bool = False
    """Whether its answers may begin with a courtesy, in conversations and in the exam."""


ABILITIES = {
    "facts": Ability(facts.task, 19, knowledge=True, courteous=True),
    "real_facts": Ability(real_facts.task, 12, knowledge=True, courteous=True),
    "passages": Ability(passages.task, 19, alone=True, courteous=True),
    "missing": Ability(missing.task, 13, alone=True, courteous=True),
    "arithmetic": Ability(arithmetic.task, 12, courteous=True),
    "translation": Ability(translation.task, 7, courteous=True),
    "secrets": Ability(secrets.task, 3, courteous=True),
    "unknown": Ability(unknown.task, 13, courteous=True),
    "talk": Ability(talk.task, 30),
    "two_hops": Ability(two_hops.task, 7, knowledge=True, courteous=True),
    "sources": Ability(sources.task, 19, alone=True, courteous=True),
    "references": Ability(references.task, 10, knowledge=True, courteous=True),
    "sentiment": Ability(sentiment.task, 9, courteous=True),
    "topic": Ability(topic.task, 10, courteous=True),
    "tools": Ability(tools.task, 14, alone=True, courteous=True),
    "summaries": Ability(summaries.task, 5, courteous=True),
    "inverse": Ability(inverse.task, 5, courteous=True),
    "recommendations": Ability(recommendations.task, 14, knowledge=True, courteous=True),
    "few_shot": Ability(few_shot.task, 34, alone=True),
    "steps": Ability(steps.task, 18),
    "correcting": Ability(correcting.task, 12, courteous=True),
    "rewriting": Ability(rewriting.task, 5, courteous=True),
    "drafting": Ability(drafting.task, 3, courteous=True),
    "constraints": Ability(constraints.task, 15),
    "stories": Ability(stories.task, 7, courteous=True),
    "functions": Ability(functions.task, 5),
}
