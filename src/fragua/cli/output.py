"""What a command prints: one JSON object for programs, a small table for people."""

from __future__ import annotations

import json
from typing import Any


def result(figures: dict[str, Any], as_json: bool, shown: tuple[str, ...]) -> None:
    """`figures` as one JSON object, or those of them named in `shown` as a table."""
    if as_json:
        print(json.dumps(figures, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for key in shown:
        if (value := figures.get(key)) is not None:
            table.add_row(
                key.replace("_", " "), f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
            )
    Console().print(table)
