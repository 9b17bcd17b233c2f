"""Products whose rows do not depend on how many there are: always so many at once.

A library chooses another order of sums for one row than for seven; of a full tile each row comes out the same wherever
it stands and whatever stands beside it (tested on the machine at hand)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from fragua.models.calls import AnyModel, share
from fragua.models.linear import FrozenLinear

TILE = 16
"""Rows a product; also the positions whose queries look together (a page has as many)."""


def in_tiles(product: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The product, TILE rows at a time, the last ones beside rows of zeros."""
    rows = x.flatten(0, -2)
    count = len(rows)
    if count % TILE:
        rows = torch.cat((rows, rows.new_zeros(-count % TILE, rows.shape[1])))
    y = torch.cat([product(tile) for tile in rows.split(TILE)])
    return y[:count].view(*x.shape[:-1], -1)


def tiled(model: AnyModel) -> AnyModel:
    """A second model on the same parameters, whose products are tiled."""
    twin = share(model)
    for module in twin.modules():
        if isinstance(module, nn.Linear | FrozenLinear):
            setattr(module, "forward", partial(in_tiles, module.forward))  # noqa: B010 (mypy: a method)
    return twin
