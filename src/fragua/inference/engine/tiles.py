"""Products whose rows do not depend on how many there are: always so many at once.

A library chooses another order of sums for one row than for seven; of a full tile each row comes out the same wherever
it stands and whatever stands beside it (tested on the machine at hand)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fragua.models.calls import AnyModel

TILE = 16
"""Rows a product; also the positions whose queries look together (a page has as many)."""


class TiledLinear(nn.Linear):
    """x Wᵀ + b, TILE rows at a time, the last ones beside rows of zeros."""

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, -2)
        count = len(rows)
        if count % TILE:
            rows = torch.cat((rows, rows.new_zeros(-count % TILE, rows.shape[1])))
        y = torch.cat([F.linear(tile, self.weight, self.bias) for tile in rows.split(TILE)])
        return y[:count].view(*x.shape[:-1], -1)


def tiled(model: AnyModel) -> AnyModel:
    """A second model on the same parameters, whose products are tiled."""
    with torch.device("meta"):
        twin = type(model)(model.config)
    twin.load_state_dict(model.state_dict(keep_vars=True), assign=True)
    for module in twin.modules():
        if type(module) is nn.Linear:
            module.__class__ = TiledLinear
    return twin.eval()
