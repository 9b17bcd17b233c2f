"""What decides a text's ids, read out of a `tokenizer.json`: tokens, merges, classes of characters, the cutting."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import tokenizers

from fragua.errors import InputError
from fragua.inference.export.run import (
    LETTER,
    NEWLINE,
    NUMBER,
    SENTENCEPIECE,
    SPACE,
    WORDS_GPT2,
    WORDS_QWEN2,
)
from fragua.tokens.tokenizer import Tokenizer
from fragua.tokens.train import QWEN2_PATTERN

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CLASSES = {LETTER: r"\p{L}+", NUMBER: r"\p{N}+", SPACE: r"[^\S\r\n]+", NEWLINE: r"[\r\n]+"}
PLANES = 0x40000
"""Unicode has letters and digits below; above stand only marks, tags and private characters."""
MEND = "known: byte-level BPE cut as GPT-2, Llama 3 or Qwen2 do, and SentencePiece BPE"


@dataclass(frozen=True)
class Vocabulary:
    """`merges`: (left id, right id, result id), the first merged first. `words`, `digits`: see run.c."""

    tokens: list[bytes]
    special: list[bool]
    merges: list[tuple[int, int, int]]
    byte_ids: list[int]
    words: int
    digits: int
    whole_words: bool
    start: int | None

    @property
    def usable(self) -> list[int]:
        """The tokens that a text may become, in the order of their bytes; of equal ones the first."""
        taken = set(self.byte_ids) if self.words == SENTENCEPIECE else set()
        first: dict[bytes, int] = {}
        for i, token in enumerate(self.tokens):
            if token and not self.special[i] and i not in taken:
                first.setdefault(token, i)
        return [first[token] for token in sorted(first)]


def read_vocabulary(tokenizer: Tokenizer) -> Vocabulary:
    """Raises InputError for a tokenizer that is neither byte-level nor SentencePiece BPE, or cuts in an unknown way."""
    definition = tokenizer.definition
    model = definition["model"]
    if model["type"] != "BPE" or model.get("dropout") or model.get("continuing_subword_prefix"):
        raise InputError(f"a tokenizer of type {model['type']} can't be exported", "tokenizer.json", MEND)
    sentencepiece = bool(model.get("byte_fallback"))
    words, digits = (SENTENCEPIECE, 1) if sentencepiece else _cutting(definition)
    if sentencepiece:
        _check_sentencepiece(definition)
    ids: dict[str, int] = model["vocab"]
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    tokens = [tokenizer.text_bytes(i, skip_special=False) for i in range(tokenizer.vocab_size)]
    return Vocabulary(
        tokens=tokens,
        special=[i in tokenizer.special_ids.values() for i in range(len(tokens))],
        merges=[(ids[left], ids[right], ids[left + right]) for left, right in pairs],
        byte_ids=_byte_ids(ids, tokens, sentencepiece),
        words=words,
        digits=digits,
        whole_words=bool(model.get("ignore_merges")),
        start=tokenizer.start_id,
    )


def _byte_ids(ids: dict[str, int], tokens: list[bytes], sentencepiece: bool) -> list[int]:
    """The token of each byte alone."""
    if sentencepiece:
        named = {byte: ids.get(f"<0x{byte:02X}>") for byte in range(256)}
    else:
        in_vocabulary = set(ids.values())
        named = {token[0]: i for i, token in enumerate(tokens) if len(token) == 1 and i in in_vocabulary}
    missing = [byte for byte in range(256) if named.get(byte) is None]
    if missing:
        raise InputError(f"byte {missing[0]:#04x} has no token", "tokenizer.json", "all 256 bytes are needed")
    return [i for byte in range(256) if (i := named[byte]) is not None]


def _steps(part: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    return [] if part is None else part[name] if part["type"] == "Sequence" else [part]


def _cutting(definition: dict[str, Any]) -> tuple[int, int]:
    """How a byte-level text is cut before merges: the pattern's kind, and the most digits of a piece."""
    if _steps(definition["normalizer"], "normalizers"):
        raise InputError("a tokenizer with a normaliser can't be exported", "tokenizer.json", MEND)
    patterns = []
    for step in _steps(definition["pre_tokenizer"], "pretokenizers"):
        if step["type"] == "Split" and step["behavior"].lower() == "isolated" and not step["invert"]:
            patterns.append(step["pattern"].get("Regex", ""))
        elif step["type"] == "ByteLevel" and not step["add_prefix_space"]:
            patterns += [GPT2_PATTERN] if step["use_regex"] else []
        else:
            patterns.append(step["type"])
    if patterns == [GPT2_PATTERN]:
        return WORDS_GPT2, 1
    digits = re.search(r"\\p\{N\}\{1,(\d)\}", patterns[0]) if patterns else None
    if [pattern.replace(digits[0], r"\p{N}") if digits else pattern for pattern in patterns] == [
        QWEN2_PATTERN
    ]:
        return WORDS_QWEN2, int(digits[1]) if digits else 1
    raise InputError(f"this way to cut a text is unknown: {' '.join(patterns)}", "tokenizer.json", MEND)


def _check_sentencepiece(definition: dict[str, Any]) -> None:
    """Llama's: a blank before the text, blanks as U+2581, the whole text one piece."""
    found = [
        (step["type"], step.get("prepend") or step.get("content"))
        for step in _steps(definition["normalizer"], "normalizers")
    ]
    if definition["pre_tokenizer"] is not None or found != [("Prepend", "▁"), ("Replace", "▁")]:
        raise InputError("this SentencePiece tokenizer is unknown", "tokenizer.json", MEND)


@cache
def class_table() -> np.ndarray:
    """uint32 [n, 3], in order: from and to (excluded) of characters that the tokenizer's own expressions take for
    letters, numbers, white space or line ends, and which of them."""
    codes = [*range(0xD800), *range(0xE000, PLANES)]
    text, rows = "".join(map(chr, codes)), []
    for kind, expression in CLASSES.items():
        split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(expression), behavior="removed", invert=True)
        rows += [(codes[a], codes[b - 1] + 1, kind) for _, (a, b) in split.pre_tokenize_str(text)]
    return np.array(sorted(rows), dtype="<u4")
