"""How well a tokenizer fits texts: bytes per token and tokens per word, by language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fragua.tokens.sources import Text, Texts
from fragua.tokens.tokenizer import Tokenizer
from fragua.tokens.train import train_tokenizer


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


SAMPLE_BYTES, SEARCHED_BYTES = 1_000_000, 64_000_000


def corpus_fit(corpus: Path, tokenizer: Path | None = None) -> dict[str, Fit]:
    """The fit by language of a tokenizer to a corpus's texts; without one, of one that is trained on them here.

    Taken are the first `SAMPLE_BYTES` of each language among the first `SEARCHED_BYTES`.
    Raises InputError where either directory is not what it should be."""
    sizes: dict[str, int] = defaultdict(int)
    sample = []
    for text in Texts(corpus):
        if sizes[text.lang] < SAMPLE_BYTES:
            sample.append(text)
        sizes[text.lang] += len(text.text.encode("utf-8"))
        if sum(sizes.values()) > SEARCHED_BYTES:
            break
    chosen = Tokenizer.load(tokenizer) if tokenizer else train_tokenizer([text for _, text in sample])
    return fit_by_language(chosen, sample)
