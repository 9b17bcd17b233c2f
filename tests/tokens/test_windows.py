"""What a person would lose: a part of a book that is never read, or a run that does not go on where it stopped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.errors import InputError
from fragua.tokens.loader import Batch
from fragua.tokens.shards import Shards, write_shards
from fragua.tokens.windows import Windows

LENGTHS = (500, 37, 2, 1, 120)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """Every token is another: 1,000 x document + place."""
    folder = tmp_path_factory.mktemp("windows")
    write_shards(folder, [[1000 * d + t for t in range(n)] for d, n in enumerate(LENGTHS)])
    return Shards.open(folder)


def predicted(batch: Batch) -> list[int]:
    """The targets; each is the token after its own."""
    learned = batch.targets_BT >= 0
    assert (batch.targets_BT[learned] == batch.ids_BT[learned] + 1).all()
    assert (batch.documents_BT[learned] == batch.ids_BT[learned] // 1000).all()
    return batch.targets_BT[learned].tolist()


@settings(max_examples=30)
@given(st.integers(1, 64), st.integers(0, 5))
def test_an_epoch_predicts_each_token_once_but_for_less_than_a_window(
    shards: Shards, context: int, seed: int
) -> None:
    windows = Windows(shards, context, seed)
    seen = [Counter[int]() for _ in range(3)]
    while True:
        batch, epoch = windows.rows(1), windows.state()["epoch"]
        if epoch == len(seen):
            break
        seen[epoch].update(predicted(batch))
    for counts in seen:
        assert set(counts.values()) == {1}
        for document, length in enumerate(LENGTHS):
            missing = [t for t in range(1, length) if 1000 * document + t not in counts]
            assert missing == list(range(1, len(missing) + 1)) and len(missing) < context


@settings(max_examples=30)
@given(st.integers(0, 200), st.integers(1, 9))
def test_reading_goes_on_exactly(shards: Shards, done: int, rows: int) -> None:
    there, here = Windows(shards, 16, 3), Windows(shards, 16, 3)
    for _ in range(done):
        there.rows(1)
    here.restore(there.state())
    for _ in range(3):
        for a, b in zip(there.rows(rows), here.rows(rows), strict=True):
            assert np.array_equal(a, b)


def test_a_state_of_another_seed_is_refused(shards: Shards) -> None:
    with pytest.raises(InputError, match="another seed"):
        Windows(shards, 16, 3).restore(Windows(shards, 16, 4).state())


def test_a_text_of_one_token_is_refused(tmp_path: Path) -> None:
    write_shards(tmp_path, [[1], [2]])
    with pytest.raises(InputError, match="nothing to predict"):
        Windows(Shards.open(tmp_path), 16, 0)
