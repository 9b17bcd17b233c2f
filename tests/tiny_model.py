"""A tiny model with random weights, as a directory that Fragua and transformers read alike."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from fragua.models import Decoder, decoder_config, save_model
from fragua.tokens.tokenizer import Tokenizer
from fragua.tokens.train import train_tokenizer

TEXTS = [
    "Había una vez una niña que vivía en Aldea, junto al río. «¿Cuánto es 12*37?», preguntó el pingüino.",
    "Once upon a time there was a baker who knew every secret of the village. What is 3 + 4?",
    "El panadero se llama Íñigo y tiene 37 años. 日本語 😀 también.",
] * 4


@cache
def tiny_tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 448)


def random_weights(model: Decoder, seed: int = 3) -> Decoder:
    """Every matrix is random (also those that training starts at zero), so that attention matters to each logit."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.15)
    return model.eval()


def write_tiny(directory: Path, context: int = 96, seed: int = 3) -> Path:
    tokenizer = tiny_tokenizer()
    config = decoder_config(2, tokenizer.vocab_size, context, width=64, heads=4, kv_heads=2)
    model = random_weights(Decoder(config), seed)
    tokenizer.save(directory)
    save_model(model, directory, generation={"eos_token_id": list(tokenizer.stop_ids)})
    return directory
