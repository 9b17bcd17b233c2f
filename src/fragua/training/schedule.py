"""The learning rate over a run: warm up, stay, decay."""

from __future__ import annotations


def wsd(step: int, steps: int, warmup: int, decay_share: float) -> float:
    """Factor in [0, 1] of the peak learning rate at `step` (from 0): linear up over `warmup` steps, then flat, then
    linear down to 0 over the last `decay_share` of the run (Hu et al. 2024, 2404.06395, section 4)."""
    rising = (step + 1) / (warmup + 1)
    falling = (steps - step) / (decay_share * steps) if decay_share > 0 else 1.0
    return max(0.0, min(1.0, rising, falling))
