"""Packing: which stretch of which document stands where in a row. Pure: lengths in, placements out.

A row has `context` places. A stretch of a document takes one place a token; each token's target is the next
token of the same document, also where that one stands in another row, and the document's last token has none.
So a document cut in two loses no prediction and repeats none: of n tokens, n - 1 are predicted, each once.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from typing import NamedTuple

LOOKAHEAD = 256
"""Pieces that wait at once. More pack tighter and wander further from the order given."""


class Placement(NamedTuple):
    """Tokens `start` to `start + length` of document `document`, one behind the other in the row."""

    document: int
    start: int
    length: int


class _Piece(NamedTuple):
    """What is left of a document, in the order of the search: by length, then age (oldest last)."""

    length: int
    youth: int
    document: int
    start: int


class Packer:
    """Best fit from a buffer of pieces: the oldest opens a row, then each time the longest that fits.

    When none fits, the longest is cut to fill the row (`split_long`) unless so little is left (1/64 of the
    row) that padding harms less than a cut; with `split_long=False` the rest of the row is padding."""

    def __init__(self, context: int, split_long: bool = True):
        self.context, self.split_long = context, split_long
        self._pieces: list[_Piece] = []
        self._youth = 0

    def __len__(self) -> int:
        return len(self._pieces)

    def add(self, document: int, length: int, start: int = 0) -> None:
        """Puts tokens `start` to `start + length` in the buffer; a piece that isn't to be split fits a row."""
        if not self.split_long and length > self.context:
            raise ValueError(f"a piece of {length} tokens for a row of {self.context}")
        self._youth -= 1
        insort(self._pieces, _Piece(length, self._youth, document, start))

    def row(self) -> list[Placement]:
        """Takes one row from the buffer, empty only where the buffer is."""
        placements: list[Placement] = []
        left = self.context
        while left and self._pieces:
            if not placements:
                piece = max(self._pieces, key=lambda p: p.youth)
                self._pieces.remove(piece)
            elif fitting := bisect_right(self._pieces, (left, 1)):
                piece = self._pieces.pop(fitting - 1)
            elif self.split_long and left > self.context // 64:
                piece = self._pieces.pop()
            else:
                break
            taken = min(piece.length, left)
            placements.append(Placement(piece.document, piece.start, taken))
            left -= taken
            if piece.length - taken > 1:  # a last token alone predicts nothing
                insort(
                    self._pieces,
                    piece._replace(length=piece.length - taken, start=piece.start + taken),
                )
        return placements

    def state(self) -> list[list[int]]:
        """The buffer as [document, start, length], oldest first: `add` them in this order to restore it."""
        pieces = sorted(self._pieces, key=lambda p: -p.youth)
        return [[p.document, p.start, p.length] for p in pieces]


def pack(lengths: list[int], context: int, split_long: bool = True) -> Iterator[list[Placement]]:
    """All documents of these lengths, in rows. With `split_long=False`, none may exceed the context."""
    packer = Packer(context, split_long)
    documents = iter(enumerate(lengths))
    document = next(documents, None)
    while True:
        while document is not None and len(packer) < LOOKAHEAD:
            if document[1] > 1:
                packer.add(*document)
            document = next(documents, None)
        row = packer.row()
        if not row:
            return
        yield row
