"""The end of each source held out: what a book's last tenth costs who has read the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping


class Tail:
    """Cuts rows, given in their order, so that of each source's n characters the first ⌊(1 - share) n⌋ are learned."""

    def __init__(self, lengths: Mapping[str, int], share: float):
        """`lengths`: characters by source, of all the rows to come."""
        self._left = Counter({source: int(length * (1 - share)) for source, length in lengths.items()})

    def parts(self, row: dict[str, str]) -> Iterator[tuple[dict[str, str], bool]]:
        """(row, whether it is held out): the row, or its two parts where the border falls inside it."""
        learned = min(self._left[row["source"]], len(row["text"]))
        self._left[row["source"]] -= learned
        for text, held_out in ((row["text"][:learned], False), (row["text"][learned:], True)):
            if text:
                yield row | {"text": text}, held_out
