"""Copying lessons: what a row holds, where rows stand, and that nothing of the text is lost to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fragua.tokens.prepare import tokenize_corpus
from fragua.tokens.shards import Shards
from fragua.tokens.tokenizer import Tokenizer
from fragua.training.copying import EVERY, SAID, CopyingLessons
from fragua.training.cross_entropy import IGNORE
from fragua.training.objectives import NextToken

ALLOWED = np.arange(7, 90)


@given(context=st.integers(2 * SAID, 200), number=st.integers(0, 400))
def test_a_lesson_says_tokens_twice_and_only_the_second_time_counts(context: int, number: int) -> None:
    lessons = CopyingLessons(401, context, ALLOWED, seed=3)
    ids, targets, documents = lessons._row(number)
    assert len(ids) == len(targets) == len(documents) == context
    for at in range(0, context - 2 * SAID + 1, 2 * SAID):
        first, second = ids[at : at + SAID], ids[at + SAID : at + 2 * SAID]
        assert (first == second).all() and len(set(first)) == SAID and set(first) <= set(ALLOWED)
        assert (targets[at : at + SAID - 1] == IGNORE).all()
        assert (targets[at + SAID - 1 : at + 2 * SAID - 1] == second).all()
        assert len(set(documents[at : at + 2 * SAID])) == 1
    counted = targets != IGNORE
    assert counted.sum() == context // (2 * SAID) * SAID
    assert (documents[counted] != -1).all()


def test_lessons_depend_on_seed_and_number_alone() -> None:
    rows = [
        CopyingLessons(400, 64, ALLOWED, seed)._row(number).ids_BT.tolist()
        for seed, number in ((1, 4), (1, 8), (2, 4))
    ]
    assert rows[0] == CopyingLessons(8, 64, ALLOWED, 1)._row(4).ids_BT.tolist()
    assert rows[0] != rows[1] != rows[2] != rows[0]


@pytest.fixture(scope="module")
def shards(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shards, Tokenizer]:
    tokenizer, out = Tokenizer.load(tiny / "tokenizer"), tmp_path_factory.mktemp("shards")
    tokenize_corpus(tiny / "corpus" / "train.jsonl", tokenizer, out)
    return Shards.open(out), tokenizer


def objective(shards: tuple[Shards, Tokenizer], rows: int) -> NextToken:
    return NextToken(shards[0], shards[0], shards[1], 64, 0, split_long=True, copying_rows=rows)


@pytest.mark.parametrize("micro", [1, 3, 8])
def test_lessons_come_before_and_between_rows_of_text_and_take_none_away(
    shards: tuple[Shards, Tokenizer], micro: int
) -> None:
    mixed, plain = objective(shards, 24), objective(shards, 0)
    batches = [mixed.batch(micro) for _ in range(48 // micro)]
    ids, documents = (np.concatenate([batch[part] for batch in batches]) for part in (0, 2))
    taught = documents[:, 0] >= 2**30
    assert len(ids) == 48 and taught.sum() == 24 / EVERY and not taught[24:].any()
    assert (ids[~taught] == plain.batch(int((~taught).sum())).ids_BT).all()
    assert shards[1].end_id not in ids[taught]


def test_an_objective_goes_on_where_its_state_was_taken(shards: tuple[Shards, Tokenizer]) -> None:
    whole, first = objective(shards, 24), objective(shards, 24)
    wanted = [whole.batch(2).ids_BT for _ in range(14)]
    for _ in range(5):
        first.batch(2)
    second = objective(shards, 24)
    second.restore(first.state())
    assert all((second.batch(2).ids_BT == ids).all() for ids in wanted[5:])
