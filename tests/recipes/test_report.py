"""What a person would lose: a page that runs a model's words as code, asks the network, or breaks half-way."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fragua.corpus.aldea.abilities import ABILITIES
from fragua.recipes.plan import Plan
from fragua.recipes.report.charts import Curve, even_ticks, log_ticks, smoothed, thin
from fragua.recipes.report.data import families, read_rows, spread
from fragua.recipes.report.page import both, write_report
from fragua.recipes.words import FAMILY_NAMES

from .fake_life import FIGURES, HOSTILE, fake_life

VOID = {"meta", "input", "br", "img", "link", "hr"}


class Reader(HTMLParser):
    """Checks that every element closes, and gathers what the page would load, run and say."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.scripts = 0
        self.ids: list[str] = []
        self.refresh = False
        self.text: list[str] = []
        self.labelled: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.scripts += tag == "script"
        self.handlers += [name for name in values if name.startswith("on")]
        self.loads += [
            str(values[name]) for name in ("src", "href", "action", "data", "poster") if name in values
        ]
        self.refresh |= tag == "meta" and values.get("http-equiv") == "refresh"
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if values.get("aria-labelledby"):
            self.labelled.append(str(values["aria-labelledby"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text("utf-8"))
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("lang", ["es", "en"])
@pytest.mark.parametrize("running", [*FIGURES, None])
def test_the_page_is_whole_safe_and_alone_at_every_moment(
    tmp_path: Path, small_plan: Plan, running: str | None, lang: str
) -> None:
    fake_life(tmp_path, small_plan, running)
    write_report(tmp_path, lang, finished=running is None)
    page = read(tmp_path / "report" / "index.html")
    assert page.scripts == 1
    assert page.handlers == [] and page.loads == []
    assert page.refresh == (running is not None)
    assert len(page.ids) == len(set(page.ids))
    assert set(page.labelled) <= set(page.ids)
    source = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert "<script>alert" not in source and "<img" not in source
    assert "@import" not in source and "url(" not in source
    assert f'<html lang="{lang}">' in source
    if running is None:
        assert any(HOSTILE in text for text in page.text)
        for name in ("learning.png", "exam.png"):
            assert (tmp_path / "report" / name).read_bytes().startswith(b"\x89PNG")


def test_every_family_of_the_exam_has_a_name_for_people() -> None:
    assert set(ABILITIES) <= set(FAMILY_NAMES)


def test_every_text_stands_in_both_languages(tmp_path: Path, small_plan: Plan) -> None:
    fake_life(tmp_path, small_plan)
    write_report(tmp_path, "es", finished=True)
    source = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert source.count('class="es" lang="es"') == source.count('class="en" lang="en"') > 50


def test_the_old_page_stays_where_the_new_one_fails(
    tmp_path: Path, small_plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_life(tmp_path, small_plan)
    write_report(tmp_path, "es", finished=False)
    before = (tmp_path / "report" / "index.html").read_bytes()
    monkeypatch.setattr("os.replace", lambda *paths: (_ for _ in ()).throw(OSError("stop")))
    with pytest.raises(OSError, match="stop"):
        write_report(tmp_path, "en", finished=False)
    assert (tmp_path / "report" / "index.html").read_bytes() == before
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["index.html"]


def test_both_escapes_both() -> None:
    assert "<i>" not in both("<i>", "<i>")


def test_metrics_are_read_while_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 3}\n{"step": 2, "loss": 2}\n{"step": 2, "loss": 1}\n{"step": 3, "lo')
    assert [row["loss"] for row in read_rows(path)] == [3, 1]
    assert read_rows(tmp_path / "none.jsonl") == []


def test_families_compare_before_and_after_with_all_first() -> None:
    quarter, most = ({"value": value, "low": 0.1, "high": 0.9, "n": 4} for value in (0.25, 0.75))
    before = {"accuracy": quarter, "by_family": {"facts": quarter}}
    after = {"accuracy": most, "by_family": {"facts": most, "talk": most}}
    rows = families(before, after)
    assert [row["name"] for row in rows] == ["", "facts", "talk"]
    assert (rows[0]["before"]["correct"], rows[0]["after"]["correct"]) == (1, 3)
    assert rows[2]["before"] is None
    assert families(None, None) == []


def test_the_diary_keeps_the_first_and_the_last_words() -> None:
    rows = [{"step": step, "lang": lang, "text": "x"} for step in range(1, 200) for lang in ("es", "en")]
    told = spread(rows, 7)
    steps = [sample["step"] for sample in told]
    assert steps[0] == 1 and steps[-1] == 199
    assert len(steps) <= 7 and steps == sorted(set(steps))
    assert all(len(sample["texts"]) == 2 for sample in told)


POSITIVE = st.floats(1e-3, 1e3)


@given(st.lists(POSITIVE, min_size=2, max_size=700), st.lists(POSITIVE, max_size=80))
def test_a_curve_never_leaves_its_frame(train: list[float], validation: list[float]) -> None:
    learned = [((index + 1) * 4096.0, value) for index, value in enumerate(train)]
    checked = [
        ((index + 1) * len(train) * 4096.0 / len(validation), value) for index, value in enumerate(validation)
    ]
    curve = Curve.of(learned, checked)
    for dot in curve.dots:
        assert 0 <= dot.x <= 1000 and 0 <= dot.y <= 1000
    for tick in (*curve.x_ticks, *curve.y_ticks):
        assert -0.01 <= tick.at <= 100.01
    assert 2 <= len(curve.y_ticks) <= 7


def test_smoothing_and_thinning_keep_the_ends() -> None:
    points = [(float(index), float(index)) for index in range(1000)]
    assert thin(points, 10)[0] == (0, 0) and thin(points, 10)[-1] == (999, 999)
    assert len(thin(points, 10)) == 10
    assert smoothed(points, 1) == points
    assert smoothed(points, 3)[10] == (10, 9)


def test_ticks_are_values_a_person_would_name() -> None:
    assert even_ticks(10e6) == [0, 2.5e6, 5e6, 7.5e6, 10e6]
    assert log_ticks(0.5, 4.2) == [0.5, 1, 2]
    assert log_ticks(0.62, 4.2) == [0.7, 1, 1.5, 2, 3]
    assert all(0.98 <= tick <= 1.02 for tick in log_ticks(0.98, 1.02))
