"""How far annotators agree: Krippendorff's alpha, with an interval by resampling what they judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np

from fragua.alignment.feedback.events import Comparison, Rating, Thumbs, Verdict
from fragua.files import digest_json

Level = Literal["nominal", "ordinal", "interval"]
RESAMPLES = 2000


class Agreement(NamedTuple):
    """`alpha` is 1 where all agree, 0 where they do as chance would; [low, high] holds 95 % of the resamples.

    All three are None where nothing can be said: nobody judged the same, or all values are one and the same."""

    alpha: float | None
    low: float | None
    high: float | None
    units: int
    """What two or more judged."""
    values: int
    """Judgements of those units."""


def krippendorff_alpha(
    units: Sequence[Sequence[Any]], level: Level = "nominal", resamples: int = RESAMPLES, seed: int = 0
) -> Agreement:
    """`units[i]`: the values that unit i was given, one an annotator; those with a single one don't count.

    alpha = 1 - D_o / D_e (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", part E). The interval is
    the percentiles of alpha over units drawn with replacement (Zapf et al. 2016, doi:10.1186/s12874-016-0200-9)."""
    paired = [unit for unit in units if len(unit) > 1]
    values = sorted({value for unit in paired for value in unit})
    if len(values) < 2:
        return Agreement(None, None, None, len(paired), sum(map(len, paired)))
    place = {value: number for number, value in enumerate(values)}
    counts_UC = np.zeros((len(paired), len(values)))
    for row_C, unit in zip(counts_UC, paired, strict=True):
        np.add.at(row_C, [place[value] for value in unit], 1)
    # a unit's pairs of values, each of its m values weighing 1 in all
    pairs_UCC = counts_UC[:, :, None] * counts_UC[:, None, :] - counts_UC[:, :, None] * np.eye(len(values))
    pairs_UCC /= counts_UC.sum(1)[:, None, None] - 1

    def alpha(weights_U: np.ndarray) -> float:
        observed_CC = np.einsum("u,ucd->cd", weights_U, pairs_UCC)
        n_C = observed_CC.sum(1)
        distance_CC = _distance(n_C, values, level)
        expected = n_C @ distance_CC @ n_C / (n_C.sum() - 1)
        return 1 - (observed_CC * distance_CC).sum() / expected if expected > 0 else np.nan

    generator = np.random.default_rng(seed)
    drawn_RU = generator.multinomial(len(paired), np.full(len(paired), 1 / len(paired)), size=resamples)
    found_R = np.array([alpha(weights_U.astype(float)) for weights_U in drawn_RU])
    low, high = np.nanpercentile(found_R, [2.5, 97.5]) if not np.isnan(found_R).all() else (np.nan, np.nan)
    found = alpha(np.ones(len(paired)))
    return Agreement(_told(found), _told(low), _told(high), len(paired), int(counts_UC.sum()))


def _told(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _distance(n_C: np.ndarray, values: Sequence[Any], level: Level) -> np.ndarray:
    """Squared differences of the values, [C, C] (the same paper, part D)."""
    if level == "nominal":
        return 1 - np.eye(len(values))
    # of ranks: how many judgements lie between two values, half of each end's included
    at_C = np.cumsum(n_C) - n_C / 2 if level == "ordinal" else np.array(values, dtype=float)
    return (at_C[:, None] - at_C[None, :]) ** 2


def agreement(verdicts: Iterable[Verdict], seed: int = 0) -> dict[str, Agreement]:
    """By kind: of comparisons which answer was best, and of rankings which of two is better (nominal); of
    ratings the mark (ordinal); of thumbs up or down. An annotator's last verdict counts."""
    given: dict[str, dict[Hashable, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for event in verdicts:
        unit = digest_json([event.prompt, [candidate.text for candidate in event.candidates]])
        for kind, detail, value in _values(event):
            given[kind][unit, detail][event.annotator] = value
    return {kind: _of(units, kind, seed) for kind, units in given.items()}


def _of(units: Mapping[Hashable, Mapping[str, Any]], kind: str, seed: int) -> Agreement:
    level: Level = "ordinal" if kind == "rating" else "nominal"
    return krippendorff_alpha([list(values.values()) for values in units.values()], level, seed=seed)


def _values(event: Verdict) -> Iterable[tuple[str, Hashable, Any]]:
    """(kind, what of the unit it is about, value): what can be agreed on."""
    if isinstance(event, Comparison) and event.verdict == "ranking":
        for high, low in combinations(event.ranking, 2):
            yield "ranking", (min(high, low), max(high, low)), high < low
    elif isinstance(event, Comparison):
        yield "comparison", 0, f"{event.verdict}{event.ranking}"
    elif isinstance(event, Rating):
        yield "rating", event.candidate, event.rating
    elif isinstance(event, Thumbs):
        yield "thumbs", event.candidate, event.good
