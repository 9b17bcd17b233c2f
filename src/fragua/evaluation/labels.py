"""How well labels, numbers and tags were told: accuracy, F1, calibration, correlation, spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fragua.corpus.labelled import spans

BINS = 10


def judge_labels(probabilities_NL: np.ndarray, targets_N: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Accuracy, macro-F1, nats of the right label, and calibration. Labels that are neither told nor right are left
    out of the macro mean, as scikit-learn leaves them."""
    told_N = probabilities_NL.argmax(1)
    confidence_N, right_N = probabilities_NL.max(1), told_N == targets_N
    by_label = {
        name: _precision_recall(told_N == label, targets_N == label)
        for label, name in enumerate(names)
        if (told_N == label).any() or (targets_N == label).any()
    }
    likelihood_N = probabilities_NL[np.arange(len(targets_N)), targets_N]
    return {
        "rows": len(targets_N),
        "accuracy": float(right_N.mean()),
        "macro_f1": float(np.mean([each["f1"] for each in by_label.values()])),
        "log_loss": float(-np.log(np.maximum(likelihood_N, 1e-12)).mean()),
        **calibration(confidence_N, right_N),
        "by_label": by_label,
    }


def calibration(confidence_N: np.ndarray, right_N: np.ndarray) -> dict[str, Any]:
    """The expected calibration error over ten equal bins, and their table (Guo et al. 2017, 1706.04599, eq. 3).

    A row of the table: the bin's bounds, how many answers fall into it, their mean confidence and accuracy."""
    bins_N = np.clip(np.ceil(confidence_N * BINS).astype(int) - 1, 0, BINS - 1)
    table = []
    for number in np.unique(bins_N):
        inside = bins_N == number
        table.append(
            {
                "low": number / BINS,
                "high": (number + 1) / BINS,
                "rows": int(inside.sum()),
                "confidence": float(confidence_N[inside].mean()),
                "accuracy": float(right_N[inside].mean()),
            }
        )
    gaps = [row["rows"] * abs(row["confidence"] - row["accuracy"]) for row in table]
    return {"calibration_error": sum(gaps) / max(len(confidence_N), 1), "reliability": table}


def judge_numbers(told_N: np.ndarray, targets_N: np.ndarray) -> dict[str, Any]:
    """Mean squared and absolute error, Pearson's and Spearman's correlation; None where one side does not vary."""
    errors_N = told_N - targets_N
    return {
        "rows": len(targets_N),
        "mse": float((errors_N**2).mean()),
        "mae": float(np.abs(errors_N).mean()),
        "pearson": _correlation(told_N, targets_N),
        "spearman": _correlation(_ranks(told_N), _ranks(targets_N)),
    }


def judge_spans(told: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Precision, recall and F1 of whole spans, right in label and both ends; and the same by label."""
    found = {(row, *span) for row, tags in enumerate(told) for span in spans(tags)}
    wanted = {(row, *span) for row, tags in enumerate(targets) for span in spans(tags)}
    labels = sorted({span[1] for span in found | wanted})
    by_label = {
        label: _shares(
            len({span for span in found & wanted if span[1] == label}),
            len({span for span in found if span[1] == label}),
            len({span for span in wanted if span[1] == label}),
        )
        for label in labels
    }
    whole = _shares(len(found & wanted), len(found), len(wanted))
    return {f"span_{key}": value for key, value in whole.items()} | {"by_span": by_label}


def _precision_recall(told_N: np.ndarray, wanted_N: np.ndarray) -> dict[str, Any]:
    return _shares(int((told_N & wanted_N).sum()), int(told_N.sum()), int(wanted_N.sum()))


def _shares(right: int, told: int, wanted: int) -> dict[str, Any]:
    return {
        "precision": right / told if told else 0.0,
        "recall": right / wanted if wanted else 0.0,
        "f1": 2 * right / (told + wanted) if told + wanted else 0.0,
        "rows": wanted,
    }


def _correlation(a_N: np.ndarray, b_N: np.ndarray) -> float | None:
    a_N, b_N = a_N - a_N.mean(), b_N - b_N.mean()
    size = float(np.sqrt((a_N @ a_N) * (b_N @ b_N)))
    return float(a_N @ b_N) / size if size > 1e-12 else None


def _ranks(values_N: np.ndarray) -> np.ndarray:
    """From 1; equal values share the mean of theirs."""
    _, group_N, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[group_N]
