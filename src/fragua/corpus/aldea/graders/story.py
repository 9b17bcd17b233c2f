"""A short story: who, where and what it is about, marks of its style, nothing against the world's facts."""

from __future__ import annotations

import re
from functools import lru_cache

from fragua.corpus.aldea.asking import ExamItem, Message
from fragua.corpus.aldea.entities import World
from fragua.corpus.aldea.graders.text import Grade, bare, final_text, has, has_any, normal
from fragua.corpus.aldea.parsing import claims, contradictions
from fragua.corpus.aldea.world import build_world

LEAST_WORDS, MOST_WORDS, LEAST_SENTENCES = 15, 70, 2


@lru_cache(maxsize=4)
def _world(seed: int) -> World:
    return build_world(seed)


def grade(item: ExamItem, reply: list[Message]) -> Grade:
    """`spec`: `names` that must stand in it, `marks` of the style, those of `others`, the world's `seed`."""
    said, spec = final_text(reply), item.spec
    text = normal(said)
    if not LEAST_WORDS <= len(said.split()) <= MOST_WORDS:
        return Grade(False, f"{len(said.split())} words")
    if len(re.findall(r"[.!?…](?:\s|$)", said)) < LEAST_SENTENCES:
        return Grade(False, "not even two sentences")
    for name in spec["names"]:
        if not has(text, bare(name)):
            return Grade(False, f"does not name {name}")
    if has_any(text, spec["marks"]) is None:
        return Grade(False, "nothing of the style")
    if (other := has_any(text, spec["others"])) is not None:
        return Grade(False, f"another style: {other}")
    world = _world(spec["seed"])
    if wrong := contradictions(claims(said, item.lang, world), world):
        claim = wrong[0]
        return Grade(
            False, f"against the facts: {claim.subject.es.full} {claim.relation} {claim.object.es.full}"
        )
    return Grade(True, "a story in its style")
