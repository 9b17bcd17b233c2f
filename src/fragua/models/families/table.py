"""A row of a family's weight table."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """`ours` is `theirs` concatenated along the first dimension; `sizes` splits it again."""

    ours: str
    theirs: list[str]
    sizes: list[int] = field(default_factory=list)
