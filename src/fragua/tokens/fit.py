"""How well a tokenizer fits texts: bytes per token and tokens per word, by language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from fragua.tokens.sources import Text
from fragua.tokens.tokenizer import Tokenizer


class Fit(NamedTuple):
    """`bytes_per_token`: higher is denser. `tokens_per_word` (words: between white space): 1 is a token a
    word."""

    bytes_per_token: float
    tokens_per_word: float


def fit_by_language(
    tokenizer: Tokenizer, texts: Iterable[Text], max_bytes: int = 1_000_000
) -> dict[str, Fit]:
    """Measured on the first `max_bytes` of UTF-8 of each language, languages in alphabetical order."""
    size: dict[str, int] = defaultdict(int)
    tokens: dict[str, int] = defaultdict(int)
    words: dict[str, int] = defaultdict(int)
    for lang, text in texts:
        if size[lang] < max_bytes:
            size[lang] += len(text.encode("utf-8"))
            tokens[lang] += len(tokenizer.encode(text))
            words[lang] += len(text.split())
    return {
        lang: Fit(round(size[lang] / tokens[lang], 3), round(tokens[lang] / max(words[lang], 1), 3))
        for lang in sorted(size)
        if tokens[lang]
    }
