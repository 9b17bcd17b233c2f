"""How long a step takes here, by a few real ones: what turns minutes into steps."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from fragua.training.pretrain import PretrainSettings, pretrain
from fragua.training.trainer import OnRow

UNCOUNTED, COUNTED = 3, 6
"""The first steps find memory and make the optimiser's state."""


class Rate(NamedTuple):
    """Of one step, in the mean; evaluations and checkpoints are not counted."""

    seconds: float
    tokens: float


def measured_rate(settings: PretrainSettings, folder: Path) -> Rate:
    """Of pretraining with these settings."""
    return rate_of(
        lambda steps, out, told: pretrain(settings.model_copy(update={"steps": steps}), out, on_step=told),
        folder,
    )


def rate_of(learn: Callable[[int, Path, OnRow], object], folder: Path) -> Rate:
    """A few steps of `learn(steps, out, on_step)`, made in a folder inside `folder` that goes again."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=folder, prefix="trial-") as name:
        steps = UNCOUNTED + COUNTED
        learn(steps, Path(name), rows.append)
    last, before = rows[-1], rows[UNCOUNTED - 1]
    return Rate((last["seconds"] - before["seconds"]) / COUNTED, last["tokens"] / steps)
