"""Guesses at what comes next, cheap to make and checked many at once.

A guess is kept where the token drawn in its place is the same, and each token is drawn from the model's
distribution by the number that belongs to its place, guess or no guess: the answer is the same as without guessing.
A draft model draws by those numbers, too, so that the two agree as often as their distributions let them."""

from __future__ import annotations

from array import array
from typing import Protocol

import torch

from fragua.errors import InputError
from fragua.inference.engine.answer import Answer
from fragua.inference.language_model import LanguageModel
from fragua.inference.reading import Reader
from fragua.inference.sampling import pick, warp

LONGEST, SHORTEST = 4, 2
"""Tokens that must agree for what followed them once to be guessed again."""


class Drafter(Protocol):
    def guess(self, answer: Answer, count: int) -> list[int]:
        """Up to `count` tokens that may follow what is known."""

    def forget(self, answer: Answer) -> None:
        """It is finished."""


class Lookup:
    """What followed the last time that the text ran as it does now (Saxena 2023, prompt lookup decoding)."""

    def guess(self, answer: Answer, count: int) -> list[int]:
        ids = answer.ids
        text = array("i", ids).tobytes()
        width = array("i").itemsize
        for length in range(min(LONGEST, len(ids) - 1), SHORTEST - 1, -1):
            end = text[-length * width :]
            at = text.rfind(end, 0, len(text) - width)
            while at >= 0 and at % width:
                at = text.rfind(end, 0, at + len(end) - 1)
            if at >= 0:
                start = at // width + length
                return ids[start : start + count]
        return []

    def forget(self, answer: Answer) -> None:
        pass


class DraftModel:
    """A smaller model of the same vocabulary (Leviathan et al. 2022, 2211.17192)."""

    def __init__(self, draft: LanguageModel, lm: LanguageModel):
        if draft.tokenizer.definition != lm.tokenizer.definition:
            raise InputError(
                "another tokenizer than the model's", draft.directory, "take a draft of the same family"
            )
        self.draft, self._readers = draft, dict[Answer, Reader]()

    @torch.inference_mode()
    def guess(self, answer: Answer, count: int) -> list[int]:
        count = min(count, self.draft.context - len(answer.ids))
        if count < 1:
            return []
        reader = self._readers.setdefault(answer, Reader(self.draft.decoder))
        logits_1V = reader.read(answer.ids)
        guesses: list[int] = []
        while True:
            logits_1V = logits_1V[:, : self.draft.tokenizer.vocab_size].float()
            if answer.sampling.greedy:
                token = int(logits_1V.argmax(-1))
            else:
                number = answer.number(answer.written + len(guesses))
                token = int(pick(warp(logits_1V, answer.sampling), number))
            guesses.append(token)
            if len(guesses) == count or token in answer.stop_ids:
                return guesses
            logits_1V = reader.feed(token)

    def forget(self, answer: Answer) -> None:
        self._readers.pop(answer, None)
