"""Texts to vectors, some of them a step, between the steps of those who write."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np

from fragua.inference.encoding import Embedding, embed
from fragua.inference.language_model import LanguageModel


class EmbeddingJob:
    """`future` holds float32 [n, D] in the end."""

    def __init__(self, lm: LanguageModel, texts: Sequence[str], how: Embedding, alone: bool):
        """`alone`: each text by itself, so that its vector does not depend on the others."""
        self.lm, self.texts, self.how, self.alone = lm, list(texts), how, alone
        self.future: Future[np.ndarray] = Future()
        limit = min(how.limit or lm.context, lm.context)
        self.lengths = [len(lm.tokenizer.framed(text, limit=limit).ids) for text in self.texts]
        self._vectors: list[np.ndarray] = []
        self._done = 0

    @property
    def tokens(self) -> int:
        return sum(self.lengths)

    def step(self, budget: int) -> bool:
        """Embeds texts of about `budget` tokens, one at least; True when all are done."""
        if not self.texts:
            self._vectors.append(np.zeros((0, self.lm.model.config.width), dtype=np.float32))
        end, tokens = self._done, 0
        while end < len(self.texts) and (end == self._done or tokens + self.lengths[end] <= budget):
            tokens += self.lengths[end]
            end += 1
        texts = self.texts[self._done : end]
        for group in [[text] for text in texts] if self.alone else [texts]:
            self._vectors.append(embed(self.lm.model, self.lm.tokenizer, group, self.how))
        self._done = end
        if self._done < len(self.texts):
            return False
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(np.concatenate(self._vectors))
        return True
