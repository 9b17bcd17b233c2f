"""How fast a model of some depth learns here: a two-parameter fit to what was measured in a few seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fragua.models.config import Stack


@dataclass(frozen=True)
class Speed:
    """Seconds a training token = `per_flop` x FLOPs + `per_cell` x layers x width: arithmetic and memory."""

    per_flop: float
    per_cell: float

    def tokens_per_s(self, stack: Stack) -> float:
        return 1 / (self.per_flop * stack.flops_per_token() + self.per_cell * stack.layers * stack.width)


def fit_speed(measured: Iterable[tuple[Stack, float]]) -> Speed:
    """Fits (stack, tokens per second) pairs. One is enough; of more, the smallest and the largest are met
    exactly, unless that would make a cost negative: then arithmetic alone carries the largest."""
    points = sorted(measured, key=lambda point: point[0].flops_per_token())
    (small, small_rate), (large, large_rate) = points[0], points[-1]
    a1, b1, t1 = small.flops_per_token(), small.layers * small.width, 1 / small_rate
    a2, b2, t2 = large.flops_per_token(), large.layers * large.width, 1 / large_rate
    determinant = a1 * b2 - a2 * b1
    if determinant:
        per_flop, per_cell = (t1 * b2 - t2 * b1) / determinant, (a1 * t2 - a2 * t1) / determinant
        if per_flop > 0 and per_cell >= 0:
            return Speed(per_flop, per_cell)
    return Speed(t2 / a2, 0.0)
