"""Weights as whole numbers: a quarter or a seventh of the memory, and of what each token must read; or in bfloat16."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn

from fragua.errors import InputError
from fragua.models.calls import Decoder, Model
from fragua.models.linear import KINDS, FrozenEmbedding
from fragua.models.native.layout import LEAST_ROWS

Weights = Literal["float32", "bfloat16", "int8", "int4"]


def check_weights(weights: str) -> None:
    """Raises InputError for weights of an unknown kind."""
    if weights not in get_args(Weights):
        raise InputError(f"'{weights}' is not a kind of weights", "weights", ", ".join(get_args(Weights)))


def quantize(model: Model, weights: str) -> None:
    """Rounds the linear layers of all blocks; of a decoder also the output head, and the embedding that is tied to it.

    bfloat16 is everything in half the memory, computed by torch: faster where the processor multiplies such matrices
    (AMX), for long prompts and many requests. Otherwise the model can still be read with and differentiated through,
    but not saved or trained. Raises InputError for an unknown kind of weights."""
    check_weights(weights)
    if weights == "float32":
        return
    model.requires_grad_(False)
    if weights == "bfloat16":
        model.to(torch.bfloat16)
        return
    for block in model.blocks():
        for name, layer in list(block.named_modules()):
            if isinstance(layer, nn.Linear) and layer.out_features >= LEAST_ROWS:
                block.set_submodule(name, KINDS[weights](layer))
    if isinstance(model, Decoder):
        tied = model.head.weight is model.transformer.embedding.weight
        head = KINDS[weights](model.head)
        model.set_submodule("head", head)
        if tied:
            model.transformer.set_submodule("embedding", FrozenEmbedding(head))


def weight_bytes(model: nn.Module) -> int:
    """What the parameters and buffers take; a tied matrix once."""
    tensors = {t.data_ptr(): t.nbytes for t in (*model.parameters(), *model.buffers())}
    return sum(tensors.values())
