"""Where the families start otherwise than the decoder does. Each takes a model that `initialise` has set."""

from __future__ import annotations

import torch

from fragua.models.attention import SourceAttention, TwoStreamAttention
from fragua.models.calls import Model
from fragua.models.positions import TwoStream

SMALL = 0.02


@torch.no_grad()
def start_family(model: Model, seed: int) -> None:
    """All that is particular to the model's family."""
    unscaled_queries(model)
    even_output(model)
    silent_sources(model)
    two_streams(model, seed)


def unscaled_queries(model: Model) -> None:
    """Where scores have no scale (T5), queries start as much smaller (Raffel et al. 2019, 1910.10683)."""
    config = model.config
    if config.scale is not None:
        for name, parameter in model.named_parameters():
            if name.endswith("qkv.weight"):
                parameter[: config.heads * config.head_width] *= config.head_width**-0.5 / config.scale


def even_output(model: Model) -> None:
    """A scale before a tied head is made up for in the embedding, so that first logits are of one size."""
    if model.config.tied:
        model.transformer.embedding.weight /= model.config.output_scale


def silent_sources(model: Model) -> None:
    """Like the other projections back into the stream, those of what an encoder tells start at zero."""
    for module in model.modules():
        if isinstance(module, SourceAttention) and not isinstance(module, TwoStreamAttention):
            module.out.weight.zero_()


def two_streams(model: Model, seed: int) -> None:
    """XLNet: biases at zero, the vector that asks and the segments small."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, TwoStreamAttention):
            for bias in (module.content_bias, module.distance_bias, module.segment_bias):
                bias.zero_()
            module.segments.copy_(torch.randn(module.segments.shape, generator=generator) * SMALL)
        if isinstance(module, TwoStream):
            module.query.copy_(torch.randn(module.query.shape, generator=generator) * SMALL)
