"""The loader: exact resume, each prediction once an epoch, no token from another document."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from chat_samples import CALCULATOR, CONVERSATIONS
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.errors import InputError
from fragua.tokens.loader import Batch, Loader, evaluation_rows, permutation
from fragua.tokens.prepare import tokenize_conversations, tokenize_corpus
from fragua.tokens.shards import Shards, write_shards
from fragua.tokens.tokenizer import Tokenizer


def number(document: int, place: int) -> int:
    """An id that tells where it stands."""
    return document * 1000 + place


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """60 documents of 0 to 300 tokens in several files, each token unique."""
    out = tmp_path_factory.mktemp("shards")
    lengths = np.random.Generator(np.random.PCG64(1)).integers(0, 300, 60)
    write_shards(
        out, [[number(d, t) for t in range(n)] for d, n in enumerate(lengths)], tokens_per_shard=1500
    )
    return Shards.open(out)


@pytest.fixture(scope="module")
def chats(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    out = tmp_path_factory.mktemp("chats")
    tokenize_conversations(CONVERSATIONS * 8, tokenizer, out, tools=[CALCULATOR])
    return Shards.open(out)


def equal(a: Batch, b: Batch) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def predictions(batches: Iterable[Batch]) -> Counter[tuple[int, int]]:
    """(token, its target), with the checks that hold in every row."""
    seen: Counter[tuple[int, int]] = Counter()
    for ids, targets, documents in batches:
        assert (ids.dtype, targets.dtype, documents.dtype) == (np.int64, np.int64, np.int32)
        assert ids.shape == targets.shape == documents.shape
        padding = documents == -1
        assert (targets[padding] == -100).all() and (ids[padding] == 0).all()
        assert (ids[~padding] // 1000 == documents[~padding]).all()
        inside = documents[:, 1:] == documents[:, :-1]
        assert (ids[:, 1:] == ids[:, :-1] + 1)[inside & ~padding[:, 1:]].all(), "in order"
        learned = targets != -100
        assert (targets[learned] == ids[learned] + 1).all(), "the target is the same document's next token"
        seen.update(zip(ids[learned].tolist(), targets[learned].tolist(), strict=True))
    return seen


def everything(shards: Shards) -> Counter[tuple[int, int]]:
    lengths = shards.lengths.tolist()
    return Counter((number(d, t), number(d, t + 1)) for d, n in enumerate(lengths) for t in range(n - 1))


@settings(max_examples=10)
@given(context=st.integers(5, 400), rows=st.integers(1, 9), seed=st.integers(0, 2**40))
def test_an_epoch_shows_each_prediction_once(shards: Shards, context: int, rows: int, seed: int) -> None:
    loader = Loader(shards, context, seed)

    def epoch() -> Iterable[Batch]:
        while loader.epoch < 1:
            yield loader.rows(1)

    assert predictions(epoch()) == everything(shards)
    assert loader.epoch == pytest.approx(1)
    assert predictions(evaluation_rows(shards, context, rows)) == everything(shards)


@settings(max_examples=30)
@given(
    context=st.integers(2, 300),
    before=st.lists(st.integers(1, 40), max_size=6),
    after=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    seed=st.integers(0, 99),
    chat=st.booleans(),
)
def test_resume_is_exact_wherever_it_stopped(
    shards: Shards, chats: Shards, context: int, before: list[int], after: list[int], seed: int, chat: bool
) -> None:
    source = chats if chat else shards
    context += 250 * chat
    loader = Loader(source, context, seed, split_long=not chat)
    for n in before:
        loader.rows(n)
    state = json.loads(json.dumps(loader.state()))
    again = Loader(source, context, seed, split_long=not chat)
    again.rows(1)
    again.restore(state)
    assert again.epoch == loader.epoch
    for n in after:
        assert equal(again.rows(n), loader.rows(n))
    assert again.state() == loader.state()


def test_a_state_of_other_data_or_settings_is_refused(shards: Shards, chats: Shards) -> None:
    state = Loader(shards, 64, 1).state()
    assert len(json.dumps(state)) < 8000
    for other in (
        Loader(shards, 65, 1),
        Loader(shards, 64, 2),
        Loader(shards, 64, 1, split_long=False),
        Loader(chats, 64, 1),
    ):
        with pytest.raises(InputError, match="state is of another"):
            other.restore(state)


def test_seeds_and_epochs_differ_and_orders_never_change() -> None:
    """The numbers are a promise: a new numpy or processor must not reorder anyone's training."""
    assert permutation(10, seed=0, epoch=0).tolist() == [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]
    assert len({tuple(permutation(50, seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_only_the_assistants_tokens_are_learned(chats: Shards, tokenizer: Tokenizer) -> None:
    loader = Loader(chats, 600, 0, split_long=False)
    ids, targets, documents = loader.rows(20)
    assert loader.counts["truncated"] == loader.counts["dropped"] == 0
    learned = 0
    for row in range(len(ids)):
        for document in set(documents[row].tolist()) - {-1}:
            places = np.flatnonzero(documents[row] == document)
            source, trained = chats[document]
            assert ids[row, places].tolist() == source.tolist(), "whole, in one row"
            wanted = np.where(trained[1:], source[1:].astype(np.int64), -100).tolist()
            assert targets[row, places].tolist() == [*wanted, -100]
            learned += int(trained[1:].sum())
    assert learned == (targets != -100).sum() > 0
    assert (targets == tokenizer.turn_end_id).sum() > 0 and (targets == tokenizer.pad_id).sum() == 0


def test_a_conversation_too_long_is_cut_or_left_out_and_counted(tmp_path: Path) -> None:
    late = ([1] * 30, [False] * 25 + [True] * 5)
    early = ([2] * 30, [False] * 5 + [True] * 25)
    write_shards(tmp_path, [late, early, ([3, 4], [False, True])])
    shards = Shards.open(tmp_path)
    loader = Loader(shards, 10, 0, split_long=False)
    ids, targets, _ = loader.rows(2)
    assert sorted(set(ids.ravel().tolist())) == [0, 2, 3, 4]
    counts = {"truncated": 1, "dropped": 1, "cut_tokens": 50, "placed_tokens": 12, "padding": 8}
    assert loader.counts == counts
    row = targets[(ids == 2).any(axis=1)][0]
    assert row.tolist() == [-100] * 4 + [2] * 6
    assert sum((b.targets_BT != -100).sum() for b in evaluation_rows(shards, 10, split_long=False)) == 7


def test_nothing_to_learn_is_an_error_not_an_endless_loop(tmp_path: Path) -> None:
    write_shards(tmp_path / "a", [[1], []])
    with pytest.raises(InputError, match="nothing to predict"):
        Loader(Shards.open(tmp_path / "a"), 8, 0)
    write_shards(tmp_path / "b", [([1] * 30, [False] * 29 + [True])])
    with pytest.raises(InputError, match="within a context of 8"):
        Loader(Shards.open(tmp_path / "b"), 8, 0, split_long=False).rows(1)


def test_evaluation_batches_all_have_one_shape(shards: Shards) -> None:
    batches = list(evaluation_rows(shards, 100, rows=7))
    assert {b.ids_BT.shape for b in batches} == {(7, 100)}
    assert all(equal(a, b) for a, b in zip(batches, evaluation_rows(shards, 100, rows=7), strict=True))


def test_real_text_packs_tight_and_fast(
    real_tokenizer: Tokenizer, tatoeba: list[str], tmp_path: Path
) -> None:
    texts = ["\n".join(tatoeba[i : i + 1 + i % 37]) for i in range(0, 40_000, 19)]
    path = tmp_path / "c.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    tokenize_corpus(path, real_tokenizer, tmp_path / "shards")
    shards = Shards.open(tmp_path / "shards")
    for context in (256, 1024):
        loader, started = Loader(shards, context, 3), time.process_time()
        while loader.epoch < 1:
            loader.rows(16)
        seconds = time.process_time() - started
        counts = loader.counts
        assert counts["padding"] < 0.05 * counts["placed_tokens"]
        assert counts["placed_tokens"] / seconds > 100_000
