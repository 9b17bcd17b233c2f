"""Dropout, put into a model while it is trained: the model itself knows none."""

from __future__ import annotations

from torch import Tensor, nn

from fragua.models.calls import Model

PARTS = ("attention", "cross", "ffn")


def add_dropout(model: Model, share: float) -> None:
    """Drops this share of what each part of a block adds to the stream (Vaswani et al. 2017, 1706.03762, section 5.4).

    The names of the weights stay as they are, and in evaluation mode nothing is dropped."""
    for block in model.blocks():
        for name, part in block.named_children():
            if name in PARTS:
                part.add_module("dropout", nn.Dropout(share).train(part.training))
                part.register_forward_hook(_drop)


def _drop(part: nn.Module, given: object, told: Tensor) -> Tensor:
    kept: Tensor = part.get_submodule("dropout")(told)
    return kept
