"""What happened to documents on the way: counts by reason, with a few examples."""

from __future__ import annotations

from collections import Counter
from typing import Any

EXAMPLES = 3
EXCERPT = 100


class Tally:
    """`dropped` and `changed` by reason; `examples[reason]` are `{"source", "text"}`; `broken` are error lines."""

    def __init__(self, state: dict[str, Any] | None = None):
        state = state or {}
        self.dropped: Counter[str] = Counter(state.get("dropped", {}))
        self.changed: Counter[str] = Counter(state.get("changed", {}))
        self.examples: dict[str, list[dict[str, str]]] = state.get("examples", {})
        self.broken: list[str] = state.get("broken", [])

    def drop(self, reason: str, source: str, text: str) -> None:
        self.dropped[reason] += 1
        self._example(reason, source, text)

    def change(self, reason: str, source: str, text: str) -> None:
        self.changed[reason] += 1
        self._example(reason, source, text)

    def _example(self, reason: str, source: str, text: str) -> None:
        known = self.examples.setdefault(reason, [])
        if len(known) < EXAMPLES:
            line = " ".join(text[: 4 * EXCERPT].split())
            known.append(
                {"source": source, "text": line if len(line) <= EXCERPT else f"{line[: EXCERPT - 1]}…"}
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "dropped": dict(sorted(self.dropped.items())),
            "changed": dict(sorted(self.changed.items())),
            "examples": dict(sorted(self.examples.items())),
            "broken": self.broken,
        }
