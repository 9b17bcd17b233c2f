"""What the engine did, as plain numbers."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import asdict, dataclass, field
from typing import Any

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass
class Histogram:
    """`counts[i]`: values up to `bounds[i]` and over the bound before; the last count is of all beyond."""

    bounds: tuple[float, ...] = SECONDS
    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    sum: float = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


@dataclass
class Metrics:
    """Counters only grow; gauges (the first five) are of the last step."""

    waiting: int = 0
    running: int = 0
    pages: int = 0
    pages_held: int = 0
    """By requests; pages that are only kept for their prefix do not count."""
    kv_use: float = 0.0
    """Share of the pages that requests hold."""
    requests: int = 0
    finished: dict[str, int] = field(default_factory=lambda: {"stop": 0, "length": 0, "abort": 0})
    steps: int = 0
    prompt_tokens: int = 0
    """Of admitted requests; `cached_tokens` of them were found in the prefix cache."""
    cached_tokens: int = 0
    completion_tokens: int = 0
    computed_rows: int = 0
    """Rows that went through the model: prompts, tokens written, drafts, and all that preemption repeats."""
    preemptions: int = 0
    drafted_tokens: int = 0
    accepted_drafts: int = 0
    forced_tokens: int = 0
    """Written without being drawn: a constraint left no choice."""
    time_to_first_token_s: Histogram = field(default_factory=Histogram)
    time_per_token_s: Histogram = field(default_factory=Histogram)
    """Between a request's tokens."""
    request_s: Histogram = field(default_factory=Histogram)

    def snapshot(self) -> dict[str, Any]:
        return asdict(self)
