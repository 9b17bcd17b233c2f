"""`fragua corpus`: one JSON object with --json, bad input raised as such."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from fragua.cli.corpus import app
from fragua.errors import InputError

runner = CliRunner()


def test_build_and_stats_print_one_object(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Uno.")
    (tmp_path / "b.txt").write_text("Dos.")
    built = runner.invoke(
        app, ["build", str(tmp_path), "--out", str(tmp_path / "out"), "--lang", "es", "--json"]
    )
    card = json.loads(built.stdout)
    assert (card["documents"], card["languages"], card["validation_documents"]) == (2, {"es": 2}, 1)
    shown = runner.invoke(app, ["stats", str(tmp_path / "out"), "--json"])
    assert json.loads(shown.stdout)["digest"] == card["digest"]
    assert "documents" in runner.invoke(app, ["stats", str(tmp_path / "out")]).stdout


def test_a_count_of_nothing_named_is_not_shown(tmp_path: Path) -> None:
    """Plain texts have no genre."""
    (tmp_path / "a.txt").write_text("Uno.")
    built = runner.invoke(app, ["build", str(tmp_path / "a.txt"), "--out", str(tmp_path / "out")])
    assert "sources" in built.stdout and "genres" not in built.stdout


def test_the_graph_is_json_and_needs_no_directory() -> None:
    graph = json.loads(runner.invoke(app, ["aldea", "--graph", "--seed", "3"]).stdout)
    assert graph["seed"] == 3 and len(graph["entities"]) >= 300


def test_a_world_is_written(tmp_path: Path) -> None:
    arguments = [
        "aldea",
        "--out",
        str(tmp_path),
        "--megabytes",
        "0.2",
        "--conversations",
        "20",
        "--exam",
        "18",
        "--json",
    ]
    card = json.loads(runner.invoke(app, arguments).stdout)
    assert 190_000 < card["bytes"] <= 200_000
    assert len((tmp_path / "exam.jsonl").read_text().splitlines()) == 18


def test_bad_input_is_raised(tmp_path: Path) -> None:
    assert isinstance(runner.invoke(app, ["aldea"]).exception, InputError)
    assert isinstance(runner.invoke(app, ["stats", str(tmp_path)]).exception, InputError)
    assert isinstance(
        runner.invoke(app, ["build", "nowhere.txt", "--out", str(tmp_path)]).exception, InputError
    )
