"""Agreement is Krippendorff's, to the last digit of his package and of his worked example."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.alignment.feedback.agreement import Level, agreement, krippendorff_alpha
from fragua.alignment.feedback.events import Verdict, parse_event
from tests.alignment.test_events import row

# Krippendorff 2011, part E: four observers, twelve units, five values, some missing
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")


def units_of(table: list[list[int | None]]) -> list[list[int]]:
    return [[value for value in unit if value is not None] for unit in zip(*table, strict=True)]


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_the_published_example(level: Level, alpha: float) -> None:
    found = krippendorff_alpha(units_of(PUBLISHED), level)
    assert found.alpha == pytest.approx(alpha, abs=5e-4)
    assert (found.units, found.values) == (11, 40)
    assert found.low is not None and found.high is not None and found.low < found.alpha < found.high


@settings(max_examples=60)
@given(
    st.integers(2, 4).flatmap(
        lambda raters: st.lists(
            st.lists(st.one_of(st.none(), st.integers(1, 5)), min_size=raters, max_size=raters),
            min_size=2,
            max_size=12,
        )
    )
)
def test_the_peer_gives_the_same(by_unit: list[list[int | None]]) -> None:
    table = [list(column) for column in zip(*by_unit, strict=True)]
    paired = [unit for unit in units_of(table) if len(unit) > 1]
    for level in LEVELS:
        found = krippendorff_alpha(units_of(table), level, resamples=20).alpha
        if len({value for unit in paired for value in unit}) < 2:
            assert found is None
        else:
            data = np.array(table, dtype=float)
            peer = krippendorff.alpha(reliability_data=data, level_of_measurement=level)
            assert found == pytest.approx(peer, abs=1e-9)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Two raters; each tells the true one of two equally likely values, or in 3 of 10 cases a coin: alpha 0.49."""
    rng, hits, rounds = np.random.default_rng(5), 0, 120
    for _ in range(rounds):
        truth_U = rng.integers(0, 2, 80)
        guesses_2U = np.where(rng.random((2, 80)) < 0.3, rng.integers(0, 2, (2, 80)), truth_U)
        found = krippendorff_alpha(guesses_2U.T.tolist(), resamples=200)
        assert found.low is not None and found.high is not None
        hits += found.low <= 0.49 <= found.high
    assert 0.88 <= hits / rounds <= 1.0


def verdicts(*rows: dict[str, object]) -> list[Verdict]:
    found = [parse_event(one | {"id": str(number)}, "made") for number, one in enumerate(rows)]
    return [event for event in found if event.kind != "undo"]


def test_verdicts_are_compared_whatever_order_was_shown_and_each_kind_by_itself() -> None:
    rows = [
        row("comparison", verdict="best", ranking=[0], annotator="a", order=[0, 1]),
        row("comparison", verdict="best", ranking=[0], annotator="b", order=[1, 0]),
        row("rating", rating=2, annotator="a"),
        row("rating", rating=4, annotator="b"),
        row("comparison", 3, verdict="ranking", ranking=[0, 1, 2], annotator="a"),
        row("comparison", 3, verdict="ranking", ranking=[1, 0, 2], annotator="b"),
        row("thumbs", good=True, annotator="a"),
        row("skip", annotator="b"),
    ]
    found = agreement(verdicts(*rows))
    assert found["comparison"].alpha is None and found["comparison"].units == 1
    assert (found["ranking"].units, found["ranking"].values) == (3, 6)
    assert found["thumbs"].units == 0
    other = row("comparison", verdict="tie", prompt=[{"role": "user", "content": "?"}])
    more = agreement(verdicts(*rows, other | {"annotator": "a"}, other | {"annotator": "b"}))
    assert more["comparison"].alpha == 1.0
    changed = agreement(verdicts(*rows, rows[0] | {"ranking": [1]}))
    assert changed["comparison"].alpha == pytest.approx(0.0), "the last verdict of an annotator counts"
