"""What corruption must know of each token: whether it is text, and where words and sentences end."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fragua.tokens.tokenizer import Tokenizer

SENTENCE_ENDS = ".!?…\n"


class Vocabulary:
    """bool [V] each, and the ordinary tokens' ids. The ids of special tokens are 0 where the tokenizer has none."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.pad_id, self.end_id = tokenizer.pad_id or 0, tokenizer.end_id or 0
        self.cls_id, self.sep_id, self.mask_id = (
            each or 0 for each in (tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
        )
        self.bytes_V = tokenizer.byte_lengths_V
        self.text_V = self.bytes_V > 0
        self.ordinary_N = np.flatnonzero(self.text_V)

    def words(self, ids_T: np.ndarray) -> np.ndarray:
        """The number of the word that each token is of, -1 for special ones: int64 [T].

        A word goes on where a token begins with a letter and the one before ends with one."""
        goes_on_T = self._letter_first_V[ids_T] & np.roll(self._letter_last_V[ids_T], 1)
        goes_on_T[:1] = False
        return np.where(self.text_V[ids_T], np.cumsum(~goes_on_T), -1)

    def sentences(self, ids_T: np.ndarray, longest: int) -> list[np.ndarray]:
        """The text of a document in sentences of at most `longest` tokens, special ones left out."""
        ids_T = ids_T[self.text_V[ids_T]]
        ends = np.flatnonzero(self._ends_sentence_V[ids_T]) + 1
        return [
            sentence[start : start + longest]
            for sentence in np.split(ids_T, ends)
            for start in range(0, len(sentence), longest)
        ]

    @cached_property
    def _texts(self) -> list[str]:
        ids = range(self.tokenizer.vocab_size)
        return [self.tokenizer.token_bytes(i).decode("utf-8", errors="replace") for i in ids]

    @cached_property
    def _letter_first_V(self) -> np.ndarray:
        return np.array([_is_letter(text[:1]) for text in self._texts])

    @cached_property
    def _letter_last_V(self) -> np.ndarray:
        return np.array([_is_letter(text[-1:]) for text in self._texts])

    @cached_property
    def _ends_sentence_V(self) -> np.ndarray:
        return np.array([any(end in text for end in SENTENCE_ENDS) for text in self._texts])


def _is_letter(character: str) -> bool:
    """Part of a letter's bytes counts as one."""
    return character.isalpha() or character == "\ufffd"
