"""What people say of answers on the chat page, as events of a log of feedback."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fragua.alignment.feedback.events import Candidate, Correction, Sampling, Thumbs
from fragua.alignment.feedback.log import EventLog
from fragua.server.hosted import Hosted
from fragua.training.directory import weights_digest

REGENERATED = "regenerated"
"""The text of a thumb down that nobody gave: another answer was asked for."""


class Feedback:
    """Appends to the log at `path`. Raises InputError for a file that is none."""

    def __init__(self, path: Path):
        self.log = EventLog(path)
        self._digests: dict[str, str] = {}

    def thumb(
        self, visitor: str, model: Hosted, messages: list[dict[str, Any]], good: bool, text: str = ""
    ) -> None:
        """`messages`: a conversation that ends with the answer. Raises RunError where the disk is full."""
        self.log.append([Thumbs(**self._common(visitor, model, messages), good=good, text=text)])

    def correct(self, visitor: str, model: Hosted, messages: list[dict[str, Any]], corrected: str) -> None:
        self.log.append([Correction(**self._common(visitor, model, messages), corrected=corrected)])

    def _common(self, visitor: str, model: Hosted, messages: list[dict[str, Any]]) -> dict[str, Any]:
        *before, answer = messages
        drawn = answer.get("shown", {}).get("sampling")
        candidate = Candidate(
            text=answer["content"], model=self._digest(model), sampling=drawn and Sampling.parse(drawn)
        )
        return {
            "id": secrets.token_hex(8),
            "at": datetime.now(UTC),
            "annotator": hashlib.sha256(visitor.encode()).hexdigest()[
                :12
            ],  # the name itself opens conversations
            "seconds": 0.0,
            "prompt": tuple({"role": each["role"], "content": each["content"]} for each in before),
            "candidates": (candidate,),
            "order": (0,),
        }

    def _digest(self, model: Hosted) -> str | None:
        if model.lm.directory is None:
            return None
        if model.name not in self._digests:
            self._digests[model.name] = weights_digest(model.lm.directory)
        return self._digests[model.name]
