"""What would be lost: an encoder that learns from what it was promised, masks as BERT and RoBERTa have them."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

from fragua.tokens.tokenizer import Tokenizer
from fragua.tokens.train import train_tokenizer
from fragua.training.masking import choose, disturb
from fragua.training.pairs import FOLLOWS, RANDOM, pairs_of
from fragua.training.rows import chance
from fragua.training.vocabulary import Vocabulary

TEXT = "La forja canta de noche. ¿Duerme el hierro? The iron sings; niño, 37 años…"


@pytest.fixture(scope="module")
def bert() -> Tokenizer:
    return train_tokenizer([TEXT] * 9, 330, family="bert")


@given(st.lists(st.integers(-1, 30), max_size=80).map(sorted), st.integers(0, 2**32))
def test_chosen_words_are_whole_and_no_more_than_the_rate(words: list[int], seed: int) -> None:
    words_T = np.array(words, dtype=np.int64)
    chosen_T = choose(words_T, 0.15, chance(seed))
    assert not chosen_T[words_T < 0].any()
    assert not np.isin(words_T[~chosen_T], words_T[chosen_T]).any()
    assert chosen_T.sum() <= max(1, round(0.15 * (words_T >= 0).sum()))


@given(st.integers(1, 500), st.integers(0, 2**32))
def test_single_tokens_are_hidden_to_the_very_number(length: int, seed: int) -> None:
    assert choose(np.arange(length), 0.15, chance(seed)).sum() == max(1, round(0.15 * length))


def test_hidden_tokens_become_what_transformers_collator_makes_of_them(bert: Tokenizer) -> None:
    """Shares of mask, random and kept tokens within four deviations of one another's."""
    vocabulary, rows, length = Vocabulary(bert), 200, 200
    ids_BT = chance(5).choice(vocabulary.ordinary_N, (rows, length))
    peer = PreTrainedTokenizerFast(tokenizer_object=bert._backend, mask_token="[MASK]", pad_token="<|pad|>")
    collator = DataCollatorForLanguageModeling(peer, mlm_probability=0.15, seed=3)
    theirs, labels = collator.torch_mask_tokens(torch.from_numpy(ids_BT.copy()))
    mine = []
    for number, ids_T in enumerate(ids_BT):
        draws = chance(7, number)
        chosen_T = choose(np.arange(length), 0.15, draws)
        masked_T = disturb(ids_T, chosen_T, vocabulary.mask_id, vocabulary.ordinary_N, draws)
        assert (masked_T == ids_T)[~chosen_T].all()
        mine.append((masked_T[chosen_T], ids_T[chosen_T]))
    pairs = [np.concatenate(each) for each in zip(*mine, strict=True)]
    hidden = labels.numpy() != -100
    for masked, original in (pairs, [theirs.numpy()[hidden], ids_BT[hidden]]):
        deviation = 4 * (0.1 * 0.9 / len(masked)) ** 0.5
        assert abs(len(masked) / ids_BT.size - 0.15) < 4 * (0.15 * 0.85 / ids_BT.size) ** 0.5
        assert abs((masked == bert.mask_id).mean() - 0.8) < 2 * deviation
        assert abs((masked == original).mean() - 0.1) < deviation + 1 / len(vocabulary.ordinary_N)


def test_words_and_sentences_are_found_in_tokens(bert: Tokenizer) -> None:
    ids_T = np.array([bert.cls_id, *bert.encode(TEXT), bert.sep_id])
    vocabulary = Vocabulary(bert)
    words_T = vocabulary.words(ids_T)
    assert words_T[0] == words_T[-1] == -1
    groups = [bert.decode(ids_T[words_T == word].tolist()).strip() for word in np.unique(words_T)[1:]]
    words = [stripped for word in groups if (stripped := word.strip(" ¿?.,;…")).isalpha()]
    assert " ".join(words) == "La forja canta de noche Duerme el hierro The iron sings niño años"
    found = [bert.decode(each.tolist()).strip() for each in vocabulary.sentences(ids_T, 100)]
    assert found == ["La forja canta de noche.", "¿Duerme el hierro?", "The iron sings; niño, 37 años…"]
    assert max(map(len, vocabulary.sentences(ids_T, 3))) == 3


def slow_pairs(sentences, other, most, draws):  # type: ignore[no-untyped-def]
    """BERT's own way: sentences are gathered one by one, and those that are not used are put back."""
    pairs, chunk, length, place, wanted = [], [], 0, 0, None
    while place < len(sentences):
        if not chunk:
            wanted = int(draws.integers(2, most + 1)) if draws.random() < 0.1 else most
        chunk.append(list(sentences[place]))
        length += len(sentences[place])
        if place == len(sentences) - 1 or length >= wanted:
            cut = 1 if len(chunk) == 1 else int(draws.integers(1, len(chunk)))
            first, second, label = list(chain(*chunk[:cut])), [], RANDOM
            if len(chunk) == 1 or draws.random() < 0.5:
                strange = other(draws)
                for sentence in strange[int(draws.integers(len(strange))) :]:
                    if second and len(second) >= wanted - len(first):
                        break
                    second += list(sentence)
                place -= len(chunk) - cut
            else:
                second, label = list(chain(*chunk[cut:])), FOLLOWS
            while len(first) + len(second) > most:
                longer = first if len(first) > len(second) else second
                longer.pop(0 if draws.random() < 0.5 else -1)
            pairs.append((first, second, label))
            chunk, length = [], 0
        place += 1
    return pairs


@given(
    st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=12), max_size=25),
    st.lists(st.lists(st.integers(100, 199), min_size=1, max_size=12), min_size=1, max_size=9),
    st.integers(4, 40),
    st.integers(0, 2**32),
)
def test_pairs_are_those_of_a_slow_pairing(
    own: list[list[int]], strange: list[list[int]], most: int, seed: int
) -> None:
    arrays = [[np.array(each) for each in side] for side in (own, strange)]
    found = pairs_of(arrays[0], lambda _: arrays[1], most, chance(seed))
    slow = slow_pairs(own, lambda _: strange, most, chance(seed))
    assert [(pair.first.tolist(), pair.second.tolist(), pair.label) for pair in found] == slow
    for pair in found:
        assert (pair.second >= 100).all() == (pair.label == RANDOM)
        assert len(pair.first) and 0 < len(pair.second) <= most - len(pair.first)
