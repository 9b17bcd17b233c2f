"""The decoder as the outside calls it, and what all calls share: transformers' keywords in, `logits` out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from fragua.models import visibility
from fragua.models.attention import Attention
from fragua.models.cache import Cache
from fragua.models.config import Stack
from fragua.models.heads import Pooler, before_tokens, pool
from fragua.models.outputs import Output, states
from fragua.models.transformer import Trace, Transformer
from fragua.models.visibility import Visible


class Model(nn.Module, ABC):
    """A transformer and its heads. How it is called is told by its kinds."""

    def __init__(self, config: Stack):
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        if config.pooler:
            self.pooler = Pooler(config)
        if config.task in ("tokens", "pretraining"):
            self.before_head = before_tokens(config)
            biased = config.visible == "full"
            self.head = nn.Linear(config.width, config.vocab_size, bias=biased)
            if config.tied:
                self.head.weight = self.transformer.embedding.weight
        if config.task == "pretraining":
            self.next_sentence = nn.Linear(config.width, 2)
        if config.task in ("label", "tag"):
            self.classifier = nn.Linear(config.width, config.labels, bias=config.label_bias)
        if config.has_inner:
            self.first = Pooler(config)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return next(self.parameters()).dtype

    @abstractmethod
    def states(self, ids_BT: Tensor, mask_BT: Tensor | None = None, types_BT: Tensor | None = None) -> Tensor:
        """The last state of each token that is read, [B, T, D]."""

    def labelled_states(
        self, ids_BT: Tensor, mask_BT: Tensor | None = None, types_BT: Tensor | None = None
    ) -> Tensor:
        """Those that labels are told from, [B, T, D]."""
        return self.states(ids_BT, mask_BT, types_BT)

    def judge(self, x_ND: Tensor) -> Tensor:
        """Logits of labels [N, labels] at pooled states of texts, or at states of tokens."""
        if self.config.task == "label" and self.config.pooler:
            x_ND = self.pooler(x_ND)
        logits: Tensor = self.classifier(self.first(x_ND) if self.config.has_inner else x_ND)
        return logits

    def labels(self, x_BTD: Tensor, ids_BT: Tensor, mask_BT: Tensor | None) -> Tensor:
        """Logits [B, labels], or of tokens [B, T, labels]. Without a mask, padding is told by its id."""
        if self.config.task == "tag":
            return self.judge(x_BTD)
        if mask_BT is None:
            padded = self.config.pad_id is not None and self.config.pooling == "last"
            mask_BT = ids_BT.ne(self.config.pad_id) if padded else torch.ones_like(ids_BT)  # type: ignore[arg-type]
        return self.judge(pool(x_BTD, mask_BT, self.config.pooling))

    def blocks(self) -> list[nn.Module]:
        """Those of all stacks."""
        return [block for stack in self.modules() if isinstance(stack, Transformer) for block in stack.blocks]

    def new_cache(self, batch: int, length: int) -> Cache:
        return Cache(self.config, batch, length, self.dtype, self.device)


AnyModel = TypeVar("AnyModel", bound=Model)


class Decoder(Model):
    """A causal language model: GPT-2, Llama, Mistral, Qwen."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: Cache | None = None,
        logits_to_keep: int = 0,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> Output:
        """input_ids [B, T]; attention_mask [B, S] over cached and new tokens, 0 for padding;
        logits_to_keep: only for the last so many positions (0: all)."""
        visible = None if attention_mask is None else visibility.padded(attention_mask, input_ids.shape[1])
        trace = Trace.of(output_hidden_states, output_attentions)
        x_BTD = self.hidden(input_ids, visible, position_ids, cache, trace)
        if self.config.task in ("label", "tag"):
            output = Output(self.labels(x_BTD, input_ids, attention_mask))
        else:
            output = Output(self.head(x_BTD[:, -logits_to_keep:]))
        if trace is not None:
            output.hidden_states, output.attentions = states(trace.hidden), states(trace.attentions)
        return output

    def states(self, ids_BT: Tensor, mask_BT: Tensor | None = None, types_BT: Tensor | None = None) -> Tensor:
        return self.hidden(ids_BT, None if mask_BT is None else visibility.padded(mask_BT, ids_BT.shape[1]))

    def hidden(
        self,
        ids_BT: Tensor,
        visible: Visible = None,
        positions_BT: Tensor | None = None,
        cache: Cache | None = None,
        trace: Trace | None = None,
    ) -> Tensor:
        """The stream before the output head, [B, T, D]: for a trainer that never builds all logits."""
        return self.transformer(ids_BT, visible, positions_BT, cache, trace=trace)


@torch.no_grad()
def initialise(model: Model, seed: int) -> None:
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


def share(model: AnyModel) -> AnyModel:
    """A second module on the same tensors, in evaluation mode: uncompiled, for sampling while training."""
    tensors = (*model.parameters(), *model.buffers())
    return deepcopy(model, {id(tensor): tensor for tensor in tensors}).eval()
