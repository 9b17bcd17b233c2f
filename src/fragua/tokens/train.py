"""Learning a tokenizer from texts: byte-level BPE with Qwen2's pre-tokeniser."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Literal, NamedTuple

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from fragua.errors import InputError
from fragua.tokens.frames import frame_of, put_around, special_token
from fragua.tokens.templates import builtin_template
from fragua.tokens.tokenizer import END, PAD, SPECIAL_TOKENS, Tokenizer

QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Words with the space before them, each digit alone (arithmetic), runs of signs, white space."""

TEMPLATE_WORDS = (
    'system\nuser\nassistant\ntool\n{"name": "x", "arguments": {"x": "x"}}\n'
    '[{"name": "x", "description": "x.", "parameters": {"type": "object", "properties": '
    '{"x": {"type": "string"}, "x": {"type": "string"}}}}, {"name": "x"}]\n'
)
TEMPLATE_REPEATS = 5_000
"""What the chat template writes is learned as if frequent, so that a role or a key of a tool costs one token."""

CHARACTER_PATTERN = r"[\s\S]"
"""Each character alone: merges join the bytes of one character and no more."""
CHARACTERS = 320
"""A vocabulary of characters of which no size is given: special tokens, bytes, 58 characters of several bytes."""

SMALLEST, LARGEST, STEP = 512, 32_768, 64


class VocabularyRule(NamedTuple):
    """A vocabulary size and the sentence that says why."""

    vocab_size: int
    why: str


def vocabulary_for(text_bytes: int) -> VocabularyRule:
    """The power of two nearest to 4096 · √(bytes / 8 MiB), from 512 to 32768.

    A table larger than that learns tokens the model sees too seldom; each fourfold of text doubles it."""
    exponent = 12 + (math.log2(max(text_bytes, 1)) - 23) / 2
    size = min(max(2 ** math.floor(exponent + 0.5), SMALLEST), LARGEST)
    return VocabularyRule(size, f"4096 · √({text_bytes / 2**20:.1f} MiB / 8 MiB), as a power of two")


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int | None = None,
    kind: Literal["bpe", "characters"] = "bpe",
    family: str | None = None,
) -> Tokenizer:
    """The same texts in the same order give the same tokenizer, with the special tokens and the frame of a family.
    "characters": a token is a character at most.

    `vocab_size` counts the special tokens (6, and the family's) and the 256 bytes; None takes `vocabulary_for` the
    texts' size, for which a collection is read twice and an iterator held in memory. Where the texts have no more
    pairs to merge, the vocabulary is filled with reserved special tokens up to a multiple of 64.
    Raises InputError for a vocabulary too small for them, an unknown family, or a text with a lone surrogate."""
    frame = frame_of(family)
    named = frame.named if frame else {}
    extra = [*SPECIAL_TOKENS, *(frame.marks if frame else [])]
    specials = [*extra, *named.values()]
    fewest = len(specials) + 256
    if vocab_size is None and kind == "characters":
        vocab_size = max(CHARACTERS, fewest)
    if vocab_size is None:
        if isinstance(texts, Iterator):
            texts = list(texts)
        vocab_size = vocabulary_for(sum(len(_utf8(text)) for text in texts)).vocab_size
    if vocab_size < fewest:
        raise InputError(f"a vocabulary of {vocab_size} is too small", mend=f"{fewest} is the least")
    backend = tokenizers.Tokenizer(models.BPE())
    pattern, template = (
        (CHARACTER_PATTERN, "")
        if kind == "characters"
        else (QWEN2_PATTERN, TEMPLATE_WORDS * TEMPLATE_REPEATS)
    )
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=[special_token(token, frame) for token in specials],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    everything = chain([template], map(_checked, texts))
    backend.train_from_iterator(everything, trainer)
    size = backend.get_vocab_size()
    missing = min(-size % STEP, vocab_size - size)
    backend.add_special_tokens([special_token(f"<|reserved_{i}|>") for i in range(missing)])
    if frame:
        put_around(backend, frame)
    return Tokenizer(backend, tokenizer_config(extra) | named, builtin_template())


def tokenizer_config(specials: Iterable[str]) -> dict[str, object]:
    """What transformers reads beside `tokenizer.json`: no clean-up of text, and which tokens are special."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_prefix_space": False,
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": END,
        "extra_special_tokens": [token for token in specials if token not in (END, PAD)],
        "pad_token": PAD,
        "unk_token": None,
    }


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogatepass")


def _checked(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"lone surrogate at character {error.start} of a text") from error
    return text
