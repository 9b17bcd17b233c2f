"""What would be lost: T5's exact lengths and sentinels, XLNet's orders as transformers masks them."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DataCollatorForPermutationLanguageModeling

from fragua.training.permuted import CONTEXT, LONGEST_SPAN, PREDICTED, last_spans, mapping, order_of, unseen
from fragua.training.rows import chance
from fragua.training.spans import MEAN_SPAN, RATE, corrupt, corrupted_lengths, hidden_spans, lengths_for

SENTINELS, END = np.arange(1000, 1100), 999


def test_lengths_are_those_of_the_paper() -> None:
    """T5's rows of 512: 568 tokens of text, targets of 114."""
    assert lengths_for(512) == (568, 512, 114)
    assert lengths_for(128).source == 128


@given(st.integers(2, 568), st.integers(0, 2**32))
def test_source_and_target_put_together_are_the_row(length: int, seed: int) -> None:
    ids_T = chance(seed, 1).integers(0, 900, length)
    hidden_T = hidden_spans(length, RATE, MEAN_SPAN, chance(seed))
    source, target = corrupt(ids_T, hidden_T, SENTINELS, END)
    assert (length, len(source), len(target)) == corrupted_lengths(length)
    assert source[-1] == target[-1] == END
    marks = [token for token in source.tolist() if token >= 1000]
    assert marks == [token for token in target.tolist() if token >= 1000]
    assert marks == SENTINELS[: len(marks)].tolist()
    spans: dict[int, list[int]] = {}
    for token in target[:-1].tolist():
        if token >= 1000:
            spans[token] = []
        else:
            spans[marks[len(spans) - 1]].append(token)
    whole = [part for token in source[:-1].tolist() for part in spans.get(token, [token])]
    assert whole == ids_T.tolist() and all(spans.values())


def test_partings_are_alike_likely() -> None:
    """6 tokens, 2 spans of 3 hidden ones: 2 · 2 partings."""
    seen = [tuple(np.flatnonzero(hidden_spans(6, 0.5, 1.5, chance(seed)))) for seed in range(2000)]
    counts = [seen.count(each) for each in set(seen)]
    assert len(counts) == 4 and all(abs(count - 500) < 4 * (2000 * 0.25 * 0.75) ** 0.5 for count in counts)


class Peer:
    """All that the collator asks of a tokenizer."""

    mask_token, pad_token_id, mask_token_id, pad_token = "<mask>", 0, 1, "<pad>"

    @staticmethod
    def get_special_tokens_mask(ids: list[int], already_has_special_tokens: bool) -> list[int]:
        return [int(token < 3) for token in ids]


def test_an_order_hides_what_transformers_hides() -> None:
    """Among words alone: transformers lets a special token see what is predicted, and all see that token."""
    ids_BT = torch.randint(3, 90, (4, 64), generator=torch.Generator().manual_seed(0))
    _, perm_mask, _, labels = DataCollatorForPermutationLanguageModeling(Peer()).torch_mask_tokens(ids_BT)
    last_BT = labels != -100
    # a token that is predicted is hidden from those up to its own place: the more, the later
    ranks_BT = perm_mask.sum(1).masked_fill(~last_BT, 1000).argsort(1).argsort(1)
    order_BT = ranks_BT.masked_fill(~last_BT, CONTEXT)
    assert last_BT.any() and torch.equal(unseen(order_BT).float(), perm_mask)


@given(st.lists(st.booleans(), min_size=1, max_size=300), st.integers(0, 2**32))
def test_the_last_part_of_an_order_is_spans_of_text(may: list[bool], seed: int) -> None:
    may_T = np.array(may)
    last_T = last_spans(may_T, chance(seed))
    assert not last_T[~may_T].any() and last_T.sum() <= len(may) // PREDICTED + LONGEST_SPAN
    order_T = order_of(last_T, chance(seed))
    assert sorted(order_T[last_T]) == list(range(last_T.sum())) and (order_T[~last_T] == CONTEXT).all()


def test_a_sixth_is_predicted_and_each_row_asks_for_its_place() -> None:
    share = np.mean([last_spans(np.ones(256, dtype=bool), chance(seed)).mean() for seed in range(400)])
    assert abs(share - 1 / PREDICTED) < 0.01
    rows = mapping(torch.tensor([[3, 0, -1]]), 5)[0]
    assert rows.argmax(1)[:2].tolist() == [3, 0] and rows.sum(1).tolist() == [1, 1, 0]
