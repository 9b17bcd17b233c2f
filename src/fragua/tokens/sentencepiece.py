"""SentencePiece's `.model` file: a protocol buffer, of which the pieces and the normalisation are read.

Source: `sentencepiece_model.proto` of google/sentencepiece, and the wire format of
protobuf.dev/programming-guides/encoding."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from fragua.errors import InputError


class Kind(IntEnum):
    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER = 4
    UNUSED = 5
    BYTE = 6


@dataclass
class SentencePieces:
    """What a `.model` file says."""

    pieces: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    bpe: bool = False
    byte_fallback: bool = False
    characters: bytes = b""
    """The compiled map of characters for normalisation."""
    dummy_prefix: bool = True
    """A space is put before the text."""
    trims: bool = True
    """Spaces at the ends go, and several become one."""

    def merges(self) -> list[tuple[str, str]]:
        """Every way to put a normal piece together from two others; those of earlier pieces first."""
        ids = {
            piece: number
            for number, (piece, kind) in enumerate(zip(self.pieces, self.kinds, strict=True))
            if kind in (Kind.NORMAL, Kind.USER)
        }
        merges: list[tuple[str, str]] = []
        for piece in ids:
            cuts = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
            known = [cut for cut in cuts if cut[0] in ids and cut[1] in ids]
            merges += sorted(known, key=lambda cut: (ids[cut[0]], ids[cut[1]]))
        return merges


def read_sentencepiece(path: Path) -> SentencePieces:
    """Raises InputError where the file is no SentencePiece model, or one that is neither BPE nor Unigram."""
    found = SentencePieces()
    try:
        for number, value in _fields(path.read_bytes()):
            if number == 1:
                piece = dict(_fields(_bytes(value)))
                found.pieces.append(_bytes(piece[1]).decode("utf-8"))
                found.scores.append(struct.unpack("<f", _bytes(piece.get(2, b"\0\0\0\0")))[0])
                found.kinds.append(Kind(_int(piece.get(3, Kind.NORMAL))))
            elif number == 2:
                trainer = dict(_fields(_bytes(value)))
                kind = _int(trainer.get(3, 1))
                if kind not in (1, 2):
                    raise InputError("splits by words or characters", path, "BPE and Unigram are known")
                found.bpe, found.byte_fallback = kind == 2, bool(trainer.get(35, 0))
            elif number == 3:
                normaliser = dict(_fields(_bytes(value)))
                found.characters = _bytes(normaliser.get(2, b""))
                found.dummy_prefix = bool(normaliser.get(3, 1))
                found.trims = bool(normaliser.get(4, 1))
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise InputError("not a SentencePiece model", path, "the file is truncated or another one") from error
    if not found.pieces or Kind.UNKNOWN not in found.kinds:
        raise InputError("not a SentencePiece model", path, "it has no pieces")
    return found


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: numbers as int, all else as bytes. Raises ValueError where it ends too early."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        wire = key & 7
        if wire == 0:
            yield key >> 3, number()
            continue
        size = {1: 8, 5: 4}.get(wire) or (number() if wire == 2 else 0)
        if (not size and wire != 2) or at + size > len(data):
            raise ValueError("a field that is cut off, or of an unknown kind")
        yield key >> 3, data[at : at + size]
        at += size


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("bytes are needed here")
    return value


def _int(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("a number is needed here")
    return value
