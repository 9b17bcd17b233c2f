"""Figures of labels, numbers and spans against scikit-learn, scipy and seqeval."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.evaluation.labels import calibration, judge_labels, judge_numbers, judge_spans

NAMES = ("a", "b", "c", "d")
SEEDS = st.integers(0, 2**31)


@settings(max_examples=30)
@given(SEEDS, st.integers(1, 40))
def test_accuracy_f1_and_log_loss_are_scikit_learns(seed: int, rows: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="it is the oracle")
    draw = np.random.default_rng(seed)
    probabilities, targets = draw.dirichlet(np.ones(4), rows), draw.integers(0, 4, rows)
    found, told = judge_labels(probabilities, targets, NAMES), probabilities.argmax(1)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(targets, told))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found["macro_f1"] == pytest.approx(metrics.f1_score(targets, told, average="macro"))
    wanted = metrics.log_loss(targets, probabilities, labels=range(4))
    assert found["log_loss"] == pytest.approx(wanted, rel=1e-6)


def test_calibration_by_hand() -> None:
    confidence = np.array([0.95, 0.91, 1.0, 0.55, 0.6, 0.1])
    right = np.array([True, False, True, True, False, False])
    found = calibration(confidence, right)
    assert [(row["low"], row["rows"]) for row in found["reliability"]] == [(0.0, 1), (0.5, 2), (0.9, 3)]
    by_hand = (abs(0.1 - 0) * 1 + abs(0.575 - 0.5) * 2 + abs(2.86 / 3 - 2 / 3) * 3) / 6
    assert found["calibration_error"] == pytest.approx(by_hand)
    sure = np.full(1000, 0.75)
    assert calibration(sure, np.arange(1000) < 750)["calibration_error"] == pytest.approx(0)


@settings(max_examples=30)
@given(SEEDS, st.integers(2, 40))
def test_correlations_are_scipys(seed: int, rows: int) -> None:
    stats = pytest.importorskip("scipy.stats", reason="it is the oracle")
    draw = np.random.default_rng(seed)
    told, targets = draw.integers(0, 6, rows).astype(float), draw.normal(size=rows)
    found = judge_numbers(told, targets)
    assert found["mse"] == pytest.approx(((told - targets) ** 2).mean())
    if np.ptp(told) == 0:
        assert found["pearson"] is None and found["spearman"] is None
    else:
        assert found["pearson"] == pytest.approx(stats.pearsonr(told, targets).statistic)
        assert found["spearman"] == pytest.approx(stats.spearmanr(told, targets).statistic)


TAGS = st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC"]), min_size=1, max_size=8)


@given(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=5))
def test_span_f1_is_seqevals(rows: list[tuple[list[str], list[str]]]) -> None:
    metrics = pytest.importorskip("seqeval.metrics", reason="it is the oracle")
    told, wanted = [a[: len(b)] + ["O"] * (len(b) - len(a)) for a, b in rows], [b for _, b in rows]
    found = judge_spans(told, wanted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key, score in (("f1", "f1_score"), ("precision", "precision_score"), ("recall", "recall_score")):
            assert found[f"span_{key}"] == pytest.approx(getattr(metrics, score)(wanted, told))
