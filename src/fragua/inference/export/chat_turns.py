"""A chat template as three texts: before the first question, between question and answer, before the next question."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from fragua.errors import InputError
from fragua.tokens.tokenizer import TURN_START, Tokenizer

ASKED, ANSWERED, AGAIN = "\ue000a", "\ue000b", "\ue000c"


class Turns(NamedTuple):
    """Texts with the literals of special tokens in them."""

    first: str
    reply: str
    next: str


def read_turns(tokenizer: Tokenizer) -> Turns | None:
    """None where there is no template, or one that does more than to put texts around messages."""
    if tokenizer.chat_template is None:
        return None
    try:
        whole = _render(tokenizer, ASKED, ANSWERED, AGAIN)
        short = _render(tokenizer, ASKED)
    except InputError:
        return None
    found = re.fullmatch(f"(.*){ASKED}(.*){ANSWERED}(.*){AGAIN}(.*)", whole, re.DOTALL)
    if found is None:
        return None
    first, reply, following, last = found.groups()
    return Turns(first, reply, following) if reply == last and short == first + ASKED + reply else None


def _render(tokenizer: Tokenizer, *contents: str) -> str:
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": content} for i, content in enumerate(contents)]
    return tokenizer.render(messages, add_generation_prompt=True)


def turn_bytes(tokenizer: Tokenizer, text: str) -> bytes:
    """UTF-8, in which 0xFF and a 32-bit number stand for a special token."""
    longest_first = sorted(tokenizer.special_ids, key=len, reverse=True)
    parts = re.split(f"({'|'.join(map(re.escape, longest_first))})", text)
    return b"".join(
        struct.pack("<BI", 0xFF, tokenizer.special_ids[part])
        if part in tokenizer.special_ids
        else part.encode()
        for part in parts
    )


def turn_start_id(tokenizer: Tokenizer) -> int | None:
    """What would begin another turn, and so ends an answer too."""
    return tokenizer.special_ids.get(TURN_START)
