"""The worked examples run from start to end, and their rows say what they should."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import transfer as bench
from examples import match_pairs, tag_names

from fragua.corpus.labelled import spans
from fragua.files import read_json, read_jsonl


def test_names_are_tagged_where_they_stand(bodies: dict[str, Path], tmp_path: Path) -> None:
    figures = tag_names.main(bodies["bert"], tmp_path, rows=80, steps=3)
    assert figures["rows"] == 80 and figures["dev_rows"] == 20
    entities = read_json(tmp_path / "train" / "graph.json")["entities"]
    names = {entity["es"] for entity in entities if entity["kind"] in tag_names.KINDS}
    rows = [row for _, row in read_jsonl(tmp_path / "train.jsonl")]
    marked = [" ".join(row["words"][span.start : span.stop]) for row in rows for span in spans(row["tags"])]
    assert len(marked) > 20 and set(marked) <= names


def test_pairs_are_half_of_one_text(bodies: dict[str, Path], tmp_path: Path) -> None:
    figures = match_pairs.main(bodies["bert"], tmp_path, rows=80, steps=3)
    assert figures["rows"] == 80 and 0 <= figures["dev_accuracy"] <= 1
    texts = [" ".join(row["text"].split()) for _, row in read_jsonl(tmp_path / "train" / "train.jsonl")]
    rows = [row for _, row in read_jsonl(tmp_path / "train.jsonl")]
    assert 20 < sum(row["label"] == "one" for row in rows) < 60
    for row in rows:
        if row["label"] == "one":
            assert any(f"{row['text']} {row['pair']}" in text for text in texts)


def test_the_benchmark_measures_its_cells_and_goes_on(
    data_dir: Path, bodies: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "WAYS", {way: how | {"steps": 5} for way, how in bench.WAYS.items()})
    given = (data_dir, tmp_path, ("trec",), (20,), 2, tuple(bench.WAYS), 2, 300, bodies["bert"])
    table = bench.compare(*given)
    for cells in table["trec"].values():
        assert 0 <= cells["20"]["accuracy"] <= 1 and len(cells["20"]["accuracies"]) == 2
    path = tmp_path / "cells" / "trec-20-minilm-0" / "cell.json"
    path.write_text(path.read_text().replace('"accuracy": ', '"accuracy": 0.5, "was": '))
    assert bench.compare(*given)["trec"]["minilm"]["20"]["accuracies"][0] == 0.5
    bench.draw_picture(table, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert set(bench.floors(table)) == {f"trec, 20 labels: {way} beats scratch" for way in ("here", "minilm")}


def test_a_draw_has_each_label_and_is_a_part_of_the_larger_one(data_dir: Path) -> None:
    rows, _ = bench.trec(data_dir)
    few, more = (bench.draw(rows, count, 3) for count in (20, 100))
    assert len(few) == 20 and len({row["label"] for row in few}) == 6
    assert bench.draw(rows, 20, 3) == few != bench.draw(rows, 20, 4)
    assert all(row in more for row in few)
    assert len(rows) == 5452 and len(bench.sst2(data_dir)[0]) == 60614
