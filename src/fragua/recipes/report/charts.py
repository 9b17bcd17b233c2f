"""The geometry of a loss curve: paths in a square of 1000, ticks in per cent, for CSS to stretch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

Points = Sequence[tuple[float, float]]

MAX_POINTS = 300
SIDE = 1000


@dataclass(frozen=True)
class Tick:
    at: float  # per cent from the left, or from the top
    label: str


@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    told: str


@dataclass(frozen=True)
class Curve:
    """Loss by tokens, logarithmic upwards. `train` and `validation` are SVG paths."""

    train: str
    validation: str
    dots: list[Dot]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    last: float

    @classmethod
    def of(cls, train: Points, validation: Points) -> Self:
        """`train` is smoothed (a running mean over 2 % of it); both are (tokens, loss), losses positive."""
        smooth = thin(smoothed(train, max(1, len(train) // 50)))
        values = [value for _, value in (*smooth, *validation)]
        right = max(tokens for tokens, _ in train)
        low, high = min(values) * 0.92, max(values) * 1.05

        def place(point: tuple[float, float]) -> tuple[float, float]:
            share = math.log(point[1] / low) / math.log(high / low)
            return round(SIDE * point[0] / right, 1), round(SIDE * (1 - share), 1)

        dots = [
            Dot(*place(point), f"{short(point[0])} tokens: {point[1]:.3f}") for point in thin(validation, 60)
        ]
        return cls(
            train=_path([place(point) for point in smooth]),
            validation=_path([(dot.x, dot.y) for dot in dots]),
            dots=dots,
            x_ticks=[Tick(100 * value / right, short(value)) for value in even_ticks(right)],
            y_ticks=[Tick(place((0, value))[1] / 10, f"{value:.3g}") for value in log_ticks(low, high)],
            last=smooth[-1][1],
        )


def smoothed(points: Points, window: int) -> list[tuple[float, float]]:
    """A trailing running mean of the values over `window` points."""
    total, result = 0.0, []
    for index, (x, value) in enumerate(points):
        total += value
        if index >= window:
            total -= points[index - window][1]
        result.append((x, total / min(index + 1, window)))
    return result


def thin(points: Points, most: int = MAX_POINTS) -> list[tuple[float, float]]:
    """At most `most` of the points, evenly taken, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(index * (len(points) - 1) / (most - 1))] for index in range(most)]


def even_ticks(most: float, count: int = 4) -> list[float]:
    """Round values from 0 to `most`, about `count` of them."""
    raw = most / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw)
    return [index * step for index in range(int(most / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Values a person would name between `low` and `high`, two to seven of them."""
    for factors in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(range(10, 100, 5)), tuple(range(100, 1000, 10))):
        values = [
            factor / factors[0] * 10.0**power
            for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for factor in factors
        ]
        inside = [float(f"{value:.6g}") for value in values if low <= value <= high]
        if len(inside) >= 3:
            return inside[:: math.ceil(len(inside) / 7)]
    return [low, high]


def short(value: float) -> str:
    """`950`, `12k`, `1.5M`."""
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.0f}"


def _path(points: Points) -> str:
    return "".join(f"{'L' if index else 'M'}{x:g} {y:g}" for index, (x, y) in enumerate(points))
