"""Labelled rows: every format gives the same, a bad row is named, spans are those of seqeval."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from fragua.corpus.labelled import label_names, read_labelled, spans
from fragua.errors import InputError
from fragua.files import write_jsonl

ROWS = [{"text": "Sí, claro.", "label": "yes"}, {"text": "No, y «punto»", "label": "no"}]


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", ROWS)
    (tmp_path / "a.csv").write_text('sentence,label\n"Sí, claro.",yes\n"No, y «punto»",no\n', "utf-8")
    (tmp_path / "a.tsv").write_text("sentence\tlabel\nSí, claro.\tyes\nNo, y «punto»\tno\n", "utf-8")
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    found = [
        [(each.text, each.target) for each in read_labelled(tmp_path / name, "classify")]
        for name in ("a.jsonl", "a.csv", "a.tsv", "a.parquet")
    ]
    assert found == [[("Sí, claro.", "yes"), ("No, y «punto»", "no")]] * 4


def test_words_are_read_from_rows_and_from_two_columns(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("-DOCSTART- O\n\nAna B-PER\nríe O\n\n\nLima\tB-LOC\n", "utf-8")
    write_jsonl(tmp_path / "a.jsonl", [{"tokens": ["Ana", "ríe"], "tags": ["B-PER", "O"]}])
    columns, rows = (read_labelled(tmp_path / name, "tag") for name in ("a.conll", "a.jsonl"))
    assert [(each.words, each.target) for each in columns] == [
        (("Ana", "ríe"), ("B-PER", "O")),
        (("Lima",), ("B-LOC",)),
    ]
    assert rows[0][:4] == columns[0][:4] and columns[1].place.endswith("a.conll:7")
    assert label_names(columns) == ("B-LOC", "B-PER", "O")


def test_labels_that_are_numbers_stand_by_size(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": "a", "label": label} for label in (10, 2, "x", 2)])
    assert label_names(read_labelled(tmp_path / "a.jsonl", "classify")) == ("2", "10", "x")


@pytest.mark.parametrize(
    ("task", "row", "told"),
    [
        ("classify", {"text": "a"}, "no column 'label'; columns: text"),
        ("classify", {"text": " ", "label": "x"}, "'text' is not a text, or empty"),
        ("classify", {"text": "a", "label": None}, "the label is None"),
        ("classify", {"text": "a", "label": 0.5}, "the label is 0.5, a word or a whole number"),
        ("pair", {"text": "a", "label": "x"}, "no column 'pair'"),
        ("regress", {"text": "a", "label": "much"}, "the value is 'much', a finite number"),
        ("regress", {"text": "a", "label": float("nan")}, "a finite number"),
        ("tag", {"words": ["a", "b"], "tags": ["O"]}, "2 words and 1 tags"),
        ("tag", {"words": [], "tags": []}, "'words' is not a list of words, or empty"),
        ("tag", {"words": ["a b"], "tags": ["O"]}, "'words' is not a list of words"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, task: str, row: dict, told: str) -> None:
    good = {"text": "a", "pair": "b", "label": 1, "words": ["a"], "tags": ["O"]}
    write_jsonl(tmp_path / "a.jsonl", [good, row])
    with pytest.raises(InputError, match=r"a\.jsonl:2: ") as error:
        read_labelled(tmp_path / "a.jsonl", task)  # type: ignore[arg-type]
    assert told in str(error.value)


def test_a_word_without_a_tag_and_a_file_of_another_kind_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("Ana B-PER\nríe\n", "utf-8")
    with pytest.raises(InputError, match=r"a\.conll:2: a word without a tag"):
        read_labelled(tmp_path / "a.conll", "tag")
    with pytest.raises(InputError, match=r"unknown kind of file '\.conll'"):
        read_labelled(tmp_path / "a.conll", "classify")
    with pytest.raises(InputError, match="unknown column 'body'"):
        read_labelled(tmp_path / "a.conll", "tag", {"body": "x"})
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match="holds no row"):
        read_labelled(tmp_path / "empty.jsonl", "classify")


TAGS = st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]), max_size=12)


@given(TAGS)
def test_spans_are_those_of_seqeval(tags: list[str]) -> None:
    entities = pytest.importorskip(
        "seqeval.metrics.sequence_labeling", reason="it is the oracle"
    ).get_entities
    assert [(span.label, span.start, span.stop - 1) for span in spans(tags)] == entities(tags)
