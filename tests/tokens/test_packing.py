"""Packing loses no prediction, repeats none, mixes no documents and wastes little."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.tokens.packing import Packer, pack

LENGTHS = st.lists(st.integers(0, 60), max_size=60)


@given(lengths=LENGTHS, context=st.integers(1, 70))
def test_every_prediction_once(lengths: list[int], context: int) -> None:
    predicted: Counter[tuple[int, int]] = Counter()
    for row in pack(lengths, context):
        assert 0 < sum(p.length for p in row) <= context
        assert len({p.document for p in row}) == len(row), "a document's stretches are never neighbours"
        for p in row:
            assert p.length > 0 and p.start + p.length <= lengths[p.document]
            predicted.update(
                (p.document, t) for t in range(p.start + 1, p.start + p.length + 1) if t < lengths[p.document]
            )
    assert predicted == Counter({(d, t): 1 for d, n in enumerate(lengths) for t in range(1, n)})


@given(lengths=LENGTHS, slack=st.integers(0, 30))
def test_conversations_stay_whole(lengths: list[int], slack: int) -> None:
    context = max([*lengths, 1]) + slack
    placements = [p for row in pack(lengths, context, split_long=False) for p in row]
    assert sorted(placements) == [(d, 0, n) for d, n in enumerate(lengths) if n > 1]


@settings(max_examples=20)
@given(
    lengths=st.lists(st.integers(2, 400), min_size=200, max_size=300),
    context=st.sampled_from([64, 256, 1024]),
)
def test_under_five_percent_is_padding(lengths: list[int], context: int) -> None:
    rows = list(pack(lengths, context))
    used = sum(p.length for row in rows[:-1] for p in row)
    assert used >= 0.95 * context * (len(rows) - 1), "only the last row may be short"


def test_short_conversations_waste_little() -> None:
    lengths = np.random.Generator(np.random.PCG64(0)).integers(20, 120, 2000).tolist()
    rows = list(pack(lengths, 256, split_long=False))
    assert sum(lengths) / (256 * len(rows)) > 0.95


def test_a_document_that_fits_is_not_cut_while_another_fills_the_row() -> None:
    assert list(pack([60, 40, 30, 70], 100)) == [[(0, 0, 60), (1, 0, 40)], [(2, 0, 30), (3, 0, 70)]]


def test_a_long_document_goes_on_in_the_next_row() -> None:
    rows = list(pack([250, 30], 100))
    assert rows == [[(0, 0, 100)], [(0, 100, 100)], [(0, 200, 50), (1, 0, 30)]]


def test_the_oldest_piece_opens_each_row() -> None:
    packer = Packer(10)
    for document, length in enumerate([3, 9, 9, 9]):
        packer.add(document, length)
    assert packer.row()[0] == (0, 0, 3)
    assert packer.state()[0][0] == 1


def test_a_whole_piece_longer_than_the_row_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="11 tokens for a row of 10"):
        Packer(10, split_long=False).add(0, 11)
