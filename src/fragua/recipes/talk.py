"""The closing conversation: the recipe's questions and strangers' first messages, each asked afresh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fragua.corpus.aldea.world import build_world
from fragua.evaluation.strangers import judge, strangers
from fragua.inference.language_model import LanguageModel
from fragua.recipes.recipe import TalkPart

MAX_TOKENS = 96


def talk(model: LanguageModel, part: TalkPart) -> list[dict[str, Any]]:
    """Rows `{"lang", "messages"}`, the question first; greedy, so the same model gives the same answers."""
    texts = [turn.text for turn in part.turns]
    replies = _replies(model, texts)
    return [
        {"lang": turn.lang, "messages": [{"role": "user", "content": turn.text}, *reply]}
        for turn, reply in zip(part.turns, replies, strict=True)
    ]


def hear_strangers(model: LanguageModel, world_seed: int) -> list[dict[str, Any]]:
    """Rows `{"lang", "text", "reply", "failed", "good"}`: what rules find wrong with each reply."""
    world, messages = build_world(world_seed), strangers()
    rows = []
    for message, reply in zip(messages, _replies(model, [each.text for each in messages]), strict=True):
        said = str(reply[-1].get("content") or "") if reply and reply[-1]["role"] == "assistant" else ""
        failed = judge(message, said, world)
        rows.append(
            {
                "lang": message.lang,
                "text": message.text,
                "reply": said,
                "failed": failed,
                "good": not failed,
            }
        )
    return rows


def _replies(model: LanguageModel, texts: Sequence[str]) -> list[list[dict[str, Any]]]:
    asked = [[{"role": "user", "content": text}] for text in texts]
    return model.reply(asked, max_tokens=MAX_TOKENS)
