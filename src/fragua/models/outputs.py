"""What a call of a model returns, named as transformers names it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

States = tuple[Tensor, ...] | None


@dataclass
class Output:
    """Fields that were not asked for are None. `output[0]` and `output["logits"]` work as in transformers."""

    logits: Tensor | None = None
    """float [B, T or logits_to_keep, V]; of labels [B, labels] or [B, T, labels]"""
    seq_relationship_logits: Tensor | None = None
    """float [B, 2]: the second sentence follows the first, or it does not"""
    last_hidden_state: Tensor | None = None
    """float [B, T, D], of models without a head"""
    pooler_output: Tensor | None = None
    mems: States = None
    """float [M, B, D] a layer"""
    hidden_states: States = None
    """float [B, T, D]: embeddings, then after each block, the last one normed"""
    attentions: States = None
    """float [B, H, T, S] a layer"""
    decoder_hidden_states: States = None
    decoder_attentions: States = None
    cross_attentions: States = None
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: States = None
    encoder_attentions: States = None

    @property
    def prediction_logits(self) -> Tensor | None:
        """The name that transformers gives the logits of tokens beside those of the next sentence."""
        return self.logits

    def __iter__(self) -> Iterator[Any]:
        return (value for part in fields(self) if (value := getattr(self, part.name)) is not None)

    def __getitem__(self, key: int | slice | str) -> Any:
        return getattr(self, key) if isinstance(key, str) else tuple(self)[key]


def states(kept: list[Tensor] | None) -> States:
    return None if kept is None else tuple(kept)
