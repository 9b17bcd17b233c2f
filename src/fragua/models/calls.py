"""The decoder as the outside calls it: transformers' keywords in, an object with `logits` out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fragua.models import visibility
from fragua.models.attention import Attention
from fragua.models.cache import Cache
from fragua.models.config import Stack
from fragua.models.transformer import Transformer
from fragua.models.visibility import Visible


@dataclass
class Output:
    """What a call returns, named as transformers names it."""

    logits: Tensor
    """float [B, T or logits_to_keep, V]"""


class Decoder(nn.Module):
    """A causal language model: the transformer and its output head."""

    def __init__(self, config: Stack):
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.head = nn.Linear(config.width, config.vocab_size, bias=False)
        if config.tied:
            self.head.weight = self.transformer.embedding.weight

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: Cache | None = None,
        logits_to_keep: int = 0,
    ) -> Output:
        """input_ids [B, T]; attention_mask [B, S] over cached and new tokens, 0 for padding;
        logits_to_keep: only for the last so many positions (0: all)."""
        visible = None if attention_mask is None else visibility.padded(attention_mask, input_ids.shape[1])
        x_BTD = self.hidden(input_ids, visible, position_ids, cache)
        return Output(self.head(x_BTD[:, -logits_to_keep:]))

    def hidden(
        self,
        ids_BT: Tensor,
        visible: Visible = None,
        positions_BT: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """The stream before the output head, [B, T, D]: for a trainer that never builds all logits."""
        return self.transformer(ids_BT, visible, positions_BT, cache)

    def new_cache(self, batch: int, length: int) -> Cache:
        weight = self.transformer.embedding.weight
        return Cache(self.config, batch, length, weight.dtype, weight.device)


@torch.no_grad()
def initialise(model: Decoder, seed: int) -> None:
    """All initialisation, in one place.

    Matrices are normal with deviation 1/√fan-in; projections back into the stream start at zero, so that every
    block begins as the identity; the head starts small, so that the first loss is ln V. Keys start as queries do,
    so that a token first looks at its like (Trockman & Kolter, 2305.09828): copying from the prompt, the slowest
    thing that a small model learns, begins there (docs/decisions/0004)."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)
        elif name.endswith(("attention.out.weight", "ffn.down.weight")):
            parameter.zero_()
        else:
            deviation = 0.02 if "blocks" not in name else parameter.shape[1] ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation)
    for module in model.modules():
        if isinstance(module, Attention):
            module.look_for_likes()


def share(model: Decoder) -> Decoder:
    """A second module on the same parameters, in evaluation mode: uncompiled, for sampling while training."""
    twin = Decoder(model.config)
    twin.load_state_dict(model.state_dict(keep_vars=True), assign=True)
    return twin.eval()
