"""Exact and near duplicates among any number of texts, found on disk: digests and MinHash signatures, sorted in slices.

MinHash and its bands: Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fragua.corpus.words import words

PERMUTATIONS = 128
BANDS = 16
SHINGLE_WORDS = 5
SEED = 1
SLICE_ROWS = 2_000_000
"""So many rows are sorted at once: 50 MB."""

RELEASE_EVERY = 500
"""Pairs that are looked up, each of which maps 128 kB."""

Keys = NDArray[np.uint64]
"""[N, 2]: a text's digest of 16 bytes."""
Signatures = NDArray[np.uint32]
"""[N, PERMUTATIONS]."""


def key(text: str) -> bytes:
    """16 bytes that stand for the text."""
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16).digest()


def signature(text: str) -> bytes:
    """MinHash of the text's runs of five words (of all its words where there are fewer), as uint32."""
    from rensa import RMinHash

    told = words(text)
    count = max(1, len(told) - SHINGLE_WORDS + 1)
    shingles = [" ".join(told[at : at + SHINGLE_WORDS]) for at in range(count)]
    return np.array(RMinHash.digests_from_token_sets([shingles], PERMUTATIONS, SEED)[0], np.uint32).tobytes()


def exact_duplicates(keys: Keys) -> Iterator[tuple[int, int]]:
    """(row, the first row with the same key) for every row that is not the first."""
    for rows in _slices(keys[:, 0]):
        part = np.asarray(keys[rows])
        order = np.lexsort((rows, part[:, 1], part[:, 0]))
        yield from _groups(rows[order], (part[order][1:] == part[order][:-1]).all(axis=1))


def near_duplicates(signatures: Signatures, threshold: float, dropped: NDArray[np.bool_]) -> dict[int, int]:
    """row -> the first row of its cluster, for the rows that are not the first; rows in `dropped` take no part.

    Two rows belong together where a band of their signatures is equal and at least `threshold` of the whole; so
    that of two texts with Jaccard similarity 0.8 all but one in twenty are found."""
    leader: dict[int, int] = {}

    def find(row: int) -> int:
        while row in leader:
            row = leader[row]
        return row

    width = PERMUTATIONS // BANDS
    for band in range(BANDS):
        hashes = _band_hashes(signatures, band * width, width)
        for rows in _slices(hashes):
            rows = rows[~dropped[rows]]
            order = np.lexsort((rows, hashes[rows]))
            ordered = rows[order]
            same = hashes[ordered][1:] == hashes[ordered][:-1]
            for number, (row, first) in enumerate(_groups(ordered, same)):
                a, b = sorted((find(row), find(first)))
                if a != b and (signatures[row] == signatures[first]).mean() >= threshold:
                    leader[b] = a
                if number % RELEASE_EVERY == 0:
                    _release(signatures)
    return {row: find(row) for row in leader}


def _band_hashes(signatures: Signatures, start: int, width: int) -> NDArray[np.uint64]:
    """FNV-1a over the band's words, a row; read in slices."""
    hashes = np.full(len(signatures), 0xCBF29CE484222325, np.uint64)
    for at in range(0, len(signatures), SLICE_ROWS // 16):
        part = np.asarray(signatures[at : at + SLICE_ROWS // 16, start : start + width]).astype(np.uint64)
        for column in part.T:
            hashes[at : at + len(part)] = (hashes[at : at + len(part)] ^ column) * np.uint64(0x100000001B3)
        _release(signatures)
    return hashes


def _release(mapped: Signatures) -> None:
    """Gives back the pages of a mapped file that were read: they count as the program's own until then."""
    if isinstance(mapped, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def _slices(values: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """The row numbers, in parts that hold all rows of equal value."""
    parts = max(1, -(-len(values) // SLICE_ROWS))
    for part in range(parts):
        found = [
            np.flatnonzero((values[at : at + SLICE_ROWS] >> np.uint64(32)) % np.uint64(parts) == part) + at
            for at in range(0, len(values), SLICE_ROWS)
        ]
        yield np.concatenate(found) if found else np.zeros(0, np.int64)


def _groups(rows: NDArray[np.int64], same: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(row, first of its run) of sorted rows, of which `same[i]` says that i + 1 equals i."""
    first = 0
    for at in np.flatnonzero(same):
        if at == 0 or not same[at - 1]:
            first = int(rows[at])
        yield int(rows[at + 1]), first
