"""Fragua: the whole life of a language model. `fragua.load(directory)` gives a model you can talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fragua.inference.language_model import LanguageModel

__version__ = "0.1.0"


def load(directory: str, *, threads: int | None = None, weights: str = "float32") -> LanguageModel:
    """Loads a model directory (ours, or a Hugging Face one of a known family).

    `weights`: 'int8' or 'int4' rounds them, for a quarter or a seventh of the memory and faster answers; 'bfloat16' is
    for processors and cards that multiply it fast.
    Raises InputError where the directory is missing, broken or of an unknown family."""
    from fragua.inference.language_model import LanguageModel

    return LanguageModel.load(directory, threads=threads, weights=weights)
