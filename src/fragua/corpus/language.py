"""Which language a text is in, by py3langid (Lui and Baldwin 2012): 97 languages, no download."""

from __future__ import annotations

from functools import cache
from typing import Any

from fragua.corpus.document import UNKNOWN

SAMPLE_CHARACTERS = 500
LEAST_PROBABILITY = 0.5


def detect_language(text: str) -> str:
    """ISO 639-1, or 'und' where no language has at least half of the probability."""
    lang, probability = _identifier().classify(text[:SAMPLE_CHARACTERS])
    return str(lang) if probability >= LEAST_PROBABILITY else UNKNOWN


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
