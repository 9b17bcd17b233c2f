"""Shards give back what was written, and say so when they can't."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from chat_samples import CALCULATOR, CONVERSATIONS, SENTENCES
from hypothesis import given
from hypothesis import strategies as st

from fragua.errors import InputError
from fragua.tokens.prepare import tokenize_conversations, tokenize_corpus
from fragua.tokens.shards import Shards, dtype_for, write_shards
from fragua.tokens.tokenizer import Tokenizer

IDS = st.lists(st.integers(0, 2**16 - 1), max_size=20)


@given(documents=st.lists(IDS, min_size=1, max_size=12), size=st.integers(1, 40))
def test_documents_come_back_whatever_the_shards_size(
    tmp_path_factory: pytest.TempPathFactory, documents: list[list[int]], size: int
) -> None:
    out = tmp_path_factory.mktemp("shards")
    index = write_shards(out, iter(documents), tokens_per_shard=size)
    shards = Shards.open(out)
    assert [document.ids.tolist() for document in shards] == documents
    assert shards.lengths.tolist() == [len(document) for document in documents]
    assert shards.tokens == index["tokens"] == sum(map(len, documents)) and len(shards) == len(documents)
    assert not shards.has_trained and shards[0].trained is None


def test_trained_marks_and_slices_come_back(tmp_path: Path) -> None:
    write_shards(tmp_path, [([70_000, 1, 2], [False, True, True]), ([5], [False])], "uint32", pad_id=3)
    shards = Shards.open(tmp_path)
    ids, trained = shards.slice(0, 1, 9)
    assert ids.tolist() == [1, 2] and trained is not None and trained.tolist() == [True, True]
    assert shards[0].ids[0] == 70_000 and shards.pad_id == 3
    with pytest.raises(IndexError):
        shards[2]


@pytest.mark.parametrize("name", ["tokens-00001.bin", "offsets-00000.bin", "trained-00000.bin"])
def test_a_truncated_damaged_or_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write_shards(tmp_path, [([i, i + 1, 7], [True] * 3) for i in range(9)], tokens_per_shard=12)
    Shards.open(tmp_path)
    path, whole = tmp_path / name, (tmp_path / name).read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match=rf"{name}: truncated"):
        Shards.open(tmp_path, verify=False)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match=rf"{name}: damaged"):
        Shards.open(tmp_path)
    Shards.open(tmp_path, verify=False)
    path.unlink()
    with pytest.raises(InputError, match=rf"{name}: this shard is missing"):
        Shards.open(tmp_path)


def test_interrupted_writing_leaves_no_index(tmp_path: Path) -> None:
    write_shards(tmp_path, [[1, 2], [3]])

    def breaks() -> object:
        yield [1, 2, 3]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_shards(tmp_path, breaks())
    with pytest.raises(InputError, match="no token shards"):
        Shards.open(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_shorter_run_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    write_shards(tmp_path, [[1, 2]] * 9, tokens_per_shard=4)
    (tmp_path / ".tokens-00003.bin.abc").write_text("of a killed run")
    write_shards(tmp_path, [[1, 2]])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "index.json",
        "offsets-00000.bin",
        "tokens-00000.bin",
    ]


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        ([], "no documents"),
        ([[1, 70_000]], "is no uint16"),
        ([[-1]], "is no uint16"),
        ([[1], ([1], [True])], "can't share"),
        ([([1, 2], [True])], "2 ids with 1 trained"),
    ],
)
def test_what_shards_cant_hold_is_refused(tmp_path: Path, documents: list, told: str) -> None:
    with pytest.raises(InputError, match=told):
        write_shards(tmp_path, documents)


def test_a_corpus_ends_each_document_and_knows_its_tokenizer(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    texts = [*SENTENCES, "user types <|endoftext|> here", ""]
    path.write_text("".join(json.dumps({"text": text}) + "\n\n" for text in texts))
    index = tokenize_corpus(tmp_path, tokenizer, tmp_path / "shards")
    shards = Shards.open(tmp_path / "shards")
    assert [tokenizer.decode(d.ids.tolist()[:-1]) for d in shards] == texts
    assert all((d.ids == tokenizer.end_id).nonzero()[0].tolist() == [len(d.ids) - 1] for d in shards)
    assert index["figures"]["text_bytes"] == sum(len(text.encode()) for text in texts)
    shards.check_tokenizer(tokenizer.digest)
    with pytest.raises(InputError, match="another tokenizer"):
        shards.check_tokenizer("0")
    (tmp_path / "a.txt").write_text("uno\ndos\n")
    tokenize_corpus(tmp_path / "a.txt", tokenizer, tmp_path / "one")
    assert len(Shards.open(tmp_path / "one")) == 1


@pytest.mark.parametrize(
    ("row", "told"),
    [('{"txt": 1}', r'2: the row has no "text"'), ('{"text": "\\ud800"}', "2: lone surrogate")],
)
def test_a_row_without_text_is_named(tokenizer: Tokenizer, tmp_path: Path, row: str, told: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"text": "x"}\n' + row)
    with pytest.raises(InputError, match=r"c\.jsonl:" + told):
        tokenize_corpus(path, tokenizer, tmp_path / "out")
    assert not (tmp_path / "out" / "index.json").exists()


def test_conversations_keep_their_marks(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenize_conversations(CONVERSATIONS, tokenizer, tmp_path / "a", tools=[CALCULATOR])
    rows = [{"messages": m, "tools": [CALCULATOR]} for m in CONVERSATIONS]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tokenize_conversations(tmp_path / "c.jsonl", tokenizer, tmp_path / "b")
    a, b = Shards.open(tmp_path / "a"), Shards.open(tmp_path / "b")
    assert a.digest == b.digest and a.has_trained
    for messages, document in zip(CONVERSATIONS[:4], a, strict=False):
        ids, trained = tokenizer.encode_chat(messages, [CALCULATOR])
        assert document.ids.tolist() == ids and document.trained.tolist() == trained
    assert '"arguments": {"x": "as text"}' in tokenizer.decode(a[4].ids.tolist()), "one canonical form"


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([{"role": "user", "content": "x"}], "says nothing"),
        ([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}], "not JSON"),
        (None, "at least one message"),
    ],
)
def test_a_conversation_that_teaches_nothing_is_named(
    tokenizer: Tokenizer, tmp_path: Path, messages: list, told: str
) -> None:
    with pytest.raises(InputError, match=f"conversation 1: .*{told}"):
        tokenize_conversations([CONVERSATIONS[0], messages], tokenizer, tmp_path)


def test_the_dtype_follows_the_vocabulary() -> None:
    assert (dtype_for(2**16), dtype_for(2**16 + 1)) == ("uint16", "uint32")
    assert np.iinfo(dtype_for(2**16)).max == 2**16 - 1
