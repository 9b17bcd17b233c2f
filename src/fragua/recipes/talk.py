"""The closing conversation: the recipe's questions, each asked afresh, and the model's real answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fragua.inference.language_model import LanguageModel
from fragua.recipes.recipe import TalkPart

MAX_TOKENS = 96


def talk(model: Path, part: TalkPart, seed: int) -> list[dict[str, Any]]:
    """Rows `{"lang", "messages"}`, the question first; greedy, so the same model gives the same answers."""
    lm = LanguageModel.load(model)
    asked = [[{"role": "user", "content": turn.text}] for turn in part.turns]
    replies = lm.reply(asked, max_tokens=MAX_TOKENS, temperature=0.0, seed=seed)
    return [
        {"lang": turn.lang, "messages": [*question, *reply]}
        for turn, question, reply in zip(part.turns, asked, replies, strict=True)
    ]
