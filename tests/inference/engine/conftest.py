"""Small models of several kinds, random in every matrix."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch

from fragua.inference.language_model import LanguageModel
from fragua.models.build import build
from fragua.models.config import Stack
from tests.tiny_model import tiny_tokenizer

SIZES = dict(layers=2, width=32, heads=4, kv_heads=2, head_width=8, ffn_width=48, context=96)
KINDS: dict[str, dict[str, Any]] = {
    "qwen3": dict(family="qwen3"),
    "gpt2": dict(
        family="gpt2",
        kv_heads=4,
        ffn="plain",
        activation="gelu_new",
        norm="layer",
        position="learned",
        qk_norm=False,
        attention_bias=True,
        output_bias=True,
        ffn_bias=True,
    ),
    "mistral": dict(family="mistral", window=20, qk_norm=False, tied=False),
    "t5": dict(
        family="t5",
        kv_heads=4,
        ffn="plain",
        activation="relu",
        position="relative_bias",
        scale=1.0,
        output_scale=32**-0.5,
        encoder_layers=2,
        qk_norm=False,
        pad_id=3,
    ),
}


@cache
def tiny(kind: str, seed: int = 3, noise: float = 0.0, **sizes: int) -> LanguageModel:
    """`noise`: how far its weights are from those of the same seed without."""
    tokenizer = tiny_tokenizer()
    model = build(Stack.parse(SIZES | dict(vocab_size=tokenizer.vocab_size) | KINDS[kind] | sizes, kind))
    generator, other = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(99)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.25 if parameter.ndim > 1 else 0.05
            start = parameter if parameter.ndim == 1 else torch.zeros_like(parameter)
            start = start + torch.randn(parameter.shape, generator=generator) * scale
            parameter.copy_(start + torch.randn(parameter.shape, generator=other) * noise)
    return LanguageModel(model.eval(), tokenizer)


@pytest.fixture(scope="session")
def qwen() -> LanguageModel:
    return tiny("qwen3")
