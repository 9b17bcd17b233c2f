"""Progress on standard error: a bar with rate and time left for people, a line now and then for logs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[..., None]
"""advance(amount, **figures): adds to the bar and shows the latest figures, e.g. loss=2.1"""

LOG_INTERVAL_S = 10.0

console = Console(stderr=True)


@contextmanager
def progress_bar(label: str, total: float, unit: str, done: float = 0) -> Iterator[Advance]:
    """Yields `advance(amount, **figures)`; `done` of `total` units stand already when work is resumed."""
    started, count, printed = time.monotonic(), done, time.monotonic()

    def describe(figures: dict[str, object]) -> str:
        rate = (count - done) / max(time.monotonic() - started, 1e-9)
        shown = [f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.2f} {unit}/s"]
        shown += [
            f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
            for name, value in figures.items()
        ]
        return " · ".join(shown)

    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[figures]}"),
        )
        with Progress(*columns, console=console, refresh_per_second=4) as bar:
            task = bar.add_task(label, total=total, completed=int(done), figures="")

            def advance(amount: float = 1, **figures: object) -> None:
                nonlocal count
                count += amount
                bar.update(task, completed=count, figures=describe(figures))

            yield advance
    else:

        def advance(amount: float = 1, **figures: object) -> None:
            nonlocal count, printed
            count += amount
            now = time.monotonic()
            if now - printed >= LOG_INTERVAL_S or count >= total > 0:
                printed = now
                left = (now - started) / max(count - done, 1e-9) * (total - count)
                print(
                    f"{label}: {count / max(total, 1e-9):.0%} · {left:.0f} s left · {describe(figures)}",
                    file=sys.stderr,
                )

        yield advance
