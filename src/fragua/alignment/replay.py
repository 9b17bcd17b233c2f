"""Conversations learned again beside what is rewarded or preferred, so that what was learned before stays."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from fragua.corpus.conversations import read_conversations
from fragua.errors import InputError
from fragua.files import digest_file
from fragua.settings import Settings
from fragua.tokens.prepare import tokenize_conversations
from fragua.tokens.shards import Shards
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.objectives import LossSum, NextToken, Objective

SHARDS = "shards/replay"
"""Goes with the other shards at the end."""
ANSWERS_A_ROW = 4
"""One row of conversations, as long as the context, stands beside so many comparisons or rollouts."""
MOST = 20_000
"""Of a larger file so many are taken, by lot."""


class Replayed(Settings):
    """What may be learned again."""

    replay: Path | None = Field(default=None, exclude=True)
    """Conversations, those of fine-tuning for one. `claim` notes their digest, not their path."""
    replay_weight: float = Field(default=0.3, gt=0)

    @property
    def replay_digest(self) -> dict[str, str]:
        """For `claim`. Raises InputError where there is no such file."""
        if self.replay is None:
            return {}
        if not self.replay.is_file():
            raise InputError("no such file", self.replay, "a JSON or JSONL file of conversations is needed")
        return {"replay": digest_file(self.replay)}

    def beside(
        self, objective: Objective, tokenizer: Tokenizer, context: int, seed: int, out: Path
    ) -> Objective:
        """The objective, with what is learned again beside it. Raises what `read_conversations` raises."""
        if self.replay is None:
            return objective
        folder = out / SHARDS
        if not (folder / "index.json").is_file():
            told = list(read_conversations(self.replay))
            some = random.Random(seed).sample(told, min(MOST, len(told)))
            tokenize_conversations(
                (one.model_dump(include={"messages", "tools"}) for one in some), tokenizer, folder
            )
        shards = Shards.open(folder)
        return Replay(
            objective,
            NextToken(shards, shards, tokenizer, context, seed, split_long=False),
            self.replay_weight,
        )


class Replay:
    """Adds γ times the mean loss of conversations: the last term of Ouyang et al. 2022 (2203.02155), equation 2, there
    of pretraining's texts. What is told as the loss is the objective's own."""

    def __init__(self, objective: Objective, conversations: NextToken, weight: float):
        self.objective, self.conversations, self.weight = objective, conversations, weight

    def batch(self, rows: int) -> tuple[Any, Any]:
        return self.objective.batch(rows), self.conversations.batch(max(1, rows // ANSWERS_A_ROW))

    def tokens(self, batch: tuple[Any, Any]) -> int:
        return self.objective.tokens(batch[0])

    def loss(self, model: Any, batch: tuple[Any, Any]) -> LossSum:
        told, again = self.objective.loss(model, batch[0]), batch[1]
        if again is None or not told.tokens:
            return told
        beside = self.conversations.loss(model, again)
        told.aside = self.weight * beside.loss / max(beside.tokens, 1)
        told.metrics["replay_loss"] = told.tokens * beside.loss.item() / max(beside.tokens, 1)
        return told

    def validation(self, rows: int) -> Iterator[tuple[Any, Any]]:
        for batch in self.objective.validation(rows):
            yield batch, None

    def state(self) -> dict[str, Any]:
        return {"objective": self.objective.state(), "conversations": self.conversations.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self.objective.restore(state["objective"])
        self.conversations.restore(state["conversations"])
