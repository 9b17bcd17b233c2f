"""What a person would lose: pairs whose targets their own graders refuse, or an exam that was taught."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from benchmarks import uses

from fragua.corpus.aldea.exam import exam_items, grade
from fragua.corpus.aldea.world import build_world
from fragua.files import read_jsonl


def test_no_question_of_the_exam_is_among_the_pairs_and_every_good_answer_passes() -> None:
    world = build_world(0)
    taught = list(islice(uses.pairs(world, 600), 600))
    asked = exam_items(world, 0, 60, list(uses.USES))
    assert {item.family for item in asked} == set(uses.USES) and {item.lang for item in asked} == {"es", "en"}
    assert not {row["source"] for row in taught} & {item.question for item in asked}
    assert all(grade(item, item.gold) for item in asked)
    for prefix in uses.USES.values():
        assert sum(row["prefix"] == prefix for row in taught) == 200


def test_a_small_run_is_graded_by_code_and_goes_on(tmp_path: Path) -> None:
    shape = {"family": "t5", "depth": 1, "width": 32, "heads": 2, "batch_tokens": 1024, "compile": "off"}
    given = dict(minutes=0.02, run=tmp_path, count=300, items=12, vocabulary=600, shape=shape)
    found = uses.main(**given)  # type: ignore[arg-type]
    assert {use: row["n"] for use, row in found["table"].items()} == dict.fromkeys(uses.USES, 4)
    assert len(list(read_jsonl(tmp_path / "pairs" / "train.jsonl"))) == 300
    assert uses.main(**given)["validation_loss"] == pytest.approx(found["validation_loss"])  # type: ignore[arg-type]
