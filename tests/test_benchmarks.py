"""What a person would lose: figures without their machine, and programs that measure something else than they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import adapt, corpus

from fragua.corpus.aldea import write_aldea
from fragua.evaluation.perplexity import perplexity
from fragua.files import read_json, read_jsonl
from fragua.inference.language_model import LanguageModel

RESULTS = Path(adapt.__file__).parent / "results"


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_result_names_its_machine(path: Path) -> None:
    told = read_json(path)
    assert told["name"] == path.stem and told["machine"]["processor"] and told["machine"]["cores"]


def test_gain_and_forgetting_are_measured_for_every_way(tiny_dir: Path, tmp_path: Path) -> None:
    """On a model that knows nothing; documents are another world's texts."""
    old, told = tmp_path / "old", ["La niña que vivía junto al río preguntó cuánto es 12*37. " * 3]
    write_aldea(old, 0, 40_000, 20, 6)
    adapt.another_world(tmp_path / "world", 20, 6, 60_000)
    text = "\n\n".join(row["text"] for _, row in read_jsonl(tmp_path / "world" / "train.jsonl"))
    (tmp_path / "prose.txt").write_text(text)
    adapt.prose(tmp_path / "corpus", tmp_path / "prose.txt", 20, 6)
    ground, work = adapt.Ground(old, told, 2), tmp_path / "work"
    given = (tiny_dir, {"prose": tmp_path / "corpus"}, ground, work, 6, 192)
    result = adapt.compare(*given)
    ways = result["domains"]["prose"]
    assert set(ways) == {"before", *adapt.WAYS}
    before = perplexity(LanguageModel.load(tiny_dir), told)["bits_per_byte"]
    assert ways["before"]["bits_per_byte"]["general"] == pytest.approx(before, abs=1e-3)
    assert ways["before"]["trained_parameters"] == 0 and ways["reading"]["seconds"] > 0
    assert ways["lora"]["trained_parameters"] < ways["full"]["trained_parameters"]
    assert {share["n"] for way in ways.values() for share in way["exam"].values()} == {2}
    assert result["ratios"]["prose.reading.new"] > 1.05, "what it reads it learns"
    first, second = (
        read_json(work / "prose" / way / "reading" / "fragua.json") for way in adapt.WAYS if "reading" in way
    )
    assert (first["figures"]["steps"], second["figures"]["steps"]) == (6, 3)
    made = (work / "prose" / "full" / "full" / "model.safetensors").stat().st_mtime_ns
    assert adapt.compare(*given) == result
    assert (work / "prose" / "full" / "full" / "model.safetensors").stat().st_mtime_ns == made
    adapt.picture(result["domains"], tmp_path / "picture" / "adapt.png")
    assert (tmp_path / "picture" / "adapt.png").stat().st_size > 10_000


def test_general_text_is_of_both_languages(data_dir: Path) -> None:
    told = adapt.general(data_dir)
    assert 100 <= len(told) <= 160 and 60_000 < sum(map(len, told)) < 200_000


def test_the_memory_of_a_build_is_measured_and_its_duplicates_found(tmp_path: Path) -> None:
    told = corpus.main(gigabytes=0.003, work=tmp_path)
    small, large = told["builds"]
    assert 20 << 20 < large["peak_rss_bytes"] < told["limit_bytes"] and told["within"]
    assert large["peak_anonymous_bytes"] is None or large["peak_anonymous_bytes"] <= large["peak_rss_bytes"]
    assert 2.9e6 < large["text_bytes"] < 3.5e6 and small["text_bytes"] < 4e5
    assert large["dropped"]["duplicate"] > 5
    assert large["dropped"]["near duplicate"] == large["dropped"]["duplicate"]
    assert not any(tmp_path.iterdir())
