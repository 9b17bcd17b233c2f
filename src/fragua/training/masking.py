"""Masked tokens: which are hidden and what stands in their place. Pure (Devlin et al. 2018, 1810.04805, 3.1)."""

from __future__ import annotations

import numpy as np

RATE = 0.15
MASKED, RANDOM = 0.8, 0.1
"""Of the chosen tokens; the rest stay as they are."""


def choose(words_T: np.ndarray, rate: float, chance: np.random.Generator) -> np.ndarray:
    """bool [T]: `rate` of the tokens, one at least, in whole words; a word of more tokens than are left is passed over,
    so that none may be chosen where all words are longer than that.

    words_T int64: the word that each token is of; those of -1 are never chosen."""
    numbers_W, sizes_W = np.unique(words_T[words_T >= 0], return_counts=True)
    if not len(numbers_W):
        return np.zeros(len(words_T), dtype=bool)
    left, chosen = max(1, round(rate * int(sizes_W.sum()))), []
    for word in chance.permutation(len(numbers_W)).tolist():
        if sizes_W[word] <= left:
            left -= int(sizes_W[word])
            chosen.append(numbers_W[word])
            if not left:
                break
    return np.isin(words_T, chosen)


def disturb(
    ids_T: np.ndarray, chosen_T: np.ndarray, mask_id: int, ordinary_N: np.ndarray, chance: np.random.Generator
) -> np.ndarray:
    """A copy in which the chosen tokens are the mask (80 %), a random ordinary token (10 %) or as they were."""
    draws_T = chance.random(len(ids_T))
    random_T = chance.choice(ordinary_N, len(ids_T))
    ids_T = np.where(chosen_T & (draws_T < MASKED), mask_id, ids_T)
    return np.where(chosen_T & (draws_T >= MASKED) & (draws_T < MASKED + RANDOM), random_T, ids_T)
