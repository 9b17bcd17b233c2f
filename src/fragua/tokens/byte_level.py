"""The byte-level alphabet: 256 printable characters that stand for the 256 bytes (GPT-2's table)."""

from __future__ import annotations

from functools import cache


@cache
def character_to_byte() -> dict[str, int]:
    """The 188 printable Latin-1 characters stand for themselves, the other bytes for U+0100 and on, in order.

    Source: Radford et al. 2019, `encoder.py` of GPT-2; `tokenizers`' ByteLevel uses the same table."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in printable}
    others = (byte for byte in range(256) if byte not in printable)
    return table | {chr(0x100 + i): byte for i, byte in enumerate(others)}


def token_to_bytes(token: str) -> bytes:
    """The bytes of a byte-level token; a token written in other characters (an added one) gives its UTF-8."""
    table = character_to_byte()
    try:
        return bytes([table[character] for character in token])
    except KeyError:
        return token.encode("utf-8")
