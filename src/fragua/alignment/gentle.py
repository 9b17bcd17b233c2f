"""The trainer's settings for a model that has learned already: AdamW without decay, and a rate of its own."""

from __future__ import annotations

from typing import Any, Protocol

from fragua.training.trainer import Training


class Told(Protocol):
    """What the three kinds of learning can be told alike."""

    @property
    def batch(self) -> int: ...
    @property
    def learning_rate(self) -> float | None: ...
    @property
    def precision(self) -> str: ...
    @property
    def checkpoint_every_s(self) -> float: ...


def gentle(told: Told, peak: float, steps: int, row_tokens: int, **more: Any) -> Training:
    """`peak`: the rate where none is told. `more` instead of a tenth of rise and 0.9 of fall."""
    return Training.parse(
        dict(
            steps=steps,
            batch_tokens=told.batch * row_tokens,
            learning_rate=told.learning_rate or round(peak, 7),
            optimizer="adamw",
            weight_decay=0.0,
            warmup_steps=max(1, steps // 10),
            decay_share=0.9,
            precision=told.precision,
            compile="off",
            checkpoint_every_s=told.checkpoint_every_s,
        )
        | more
    )
