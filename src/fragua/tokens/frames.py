"""What families put around and into texts: special tokens, made with the tokenizer that is trained for them."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import tokenizers
from tokenizers import AddedToken, processors

from fragua.errors import InputError
from fragua.tokens.tokenizer import END, Tokenizer, sentinel

SENTINELS = 100
"""As T5 has (Raffel et al. 2019, 1910.10683, section 3.1.4)."""


class Frame(NamedTuple):
    """A family's special tokens; `single` and `pair` as `tokenizers`' TemplateProcessing writes them."""

    single: str
    pair: str
    named: dict[str, str]
    """By the names of `tokenizer_config.json`."""
    sentinels: int = 0

    @property
    def marks(self) -> list[str]:
        return [sentinel(number) for number in range(self.sentinels)]


FRAMES = {
    "bert": Frame(
        "[CLS] $A [SEP]",
        "[CLS] $A [SEP] $B:1 [SEP]:1",
        {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"},
    ),
    "roberta": Frame(
        "<s> $A </s>",
        "<s> $A </s> </s> $B </s>",
        {"cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"},
    ),
    "t5": Frame(f"$A {END}", f"$A {END} $B {END}", {}, SENTINELS),
    "xlnet": Frame(
        "$A <sep> <cls>:2",
        "$A <sep> $B:1 <sep>:1 <cls>:2",
        {"cls_token": "<cls>", "sep_token": "<sep>", "mask_token": "<mask>"},
    ),
}
UNFRAMED = ("gpt2", "llama", "qwen3")


def frame_of(family: str | None) -> Frame | None:
    """None for families that frame nothing. Raises InputError for an unknown one."""
    if family in FRAMES:
        return FRAMES[family]
    if family is None or family in UNFRAMED:
        return None
    raise InputError(f"unknown family '{family}'", "--family", f"known: {', '.join([*UNFRAMED, *FRAMES])}")


def special_token(content: str, frame: Frame | None = None) -> AddedToken:
    """What stands for a gap takes the space before it along: the word that stands there brings its own."""
    gap = frame is not None and content in (frame.named.get("mask_token"), *frame.marks)
    return AddedToken(content, special=True, normalized=False, lstrip=gap)


def put_around(backend: tokenizers.Tokenizer, frame: Frame) -> None:
    """Makes the frame the tokenizer's post-processor."""
    marks = sorted(set(re.findall(r"(?<!\S)[^\s$:]+", frame.pair)))
    ids: list[tuple[str, Any]] = [(mark, backend.token_to_id(mark)) for mark in marks]
    backend.post_processor = processors.TemplateProcessing(
        single=frame.single, pair=frame.pair, special_tokens=ids
    )


def closed(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer with its end token behind every text, so that a model knows where a source ends; itself where it
    closes texts already. Raises InputError where it has no end token."""
    if tokenizer.closing_id is not None:
        return tokenizer
    if tokenizer.end_id is None:
        raise InputError("this tokenizer has no end token", mend="name one as eos_token in its configuration")
    start = "" if tokenizer.start_id is None else f"{tokenizer.token(tokenizer.start_id)} "
    end = tokenizer.token(tokenizer.end_id)
    backend = tokenizers.Tokenizer.from_str(json.dumps(tokenizer.definition))
    put_around(backend, Frame(f"{start}$A {end}", f"{start}$A {end} $B {end}", {}))
    return Tokenizer(backend, tokenizer.config, tokenizer.chat_template)
