"""How position enters: added to the embedding, turned into queries and keys, or added to the scores."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fragua.models.config import RopeScaling, Stack
from fragua.models.norms import make_norm
from fragua.models.visibility import Visible, as_bias, causal

Tables = tuple[Tensor, ...]
"""Computed once a forward, used by every layer."""


class Position(nn.Module):
    """What a way of telling positions may do; by itself it does nothing."""

    def __init__(self, config: Stack):
        super().__init__()

    def embed(self, x_BTD: Tensor, positions_BT: Tensor, types_BT: Tensor | None = None) -> Tensor:
        return x_BTD

    def tables(self, positions_BT: Tensor, dtype: torch.dtype) -> Tables:
        return ()

    def mask(self, visible: Visible, queries: int, keys: int) -> Visible:
        return visible


class Learned(Position):
    """A vector a position, and one a token type, added to the token's (Devlin et al. 2018, 1810.04805, figure 2)."""

    def __init__(self, config: Stack):
        super().__init__(config)
        self.offset = config.position_offset
        padding = config.position_offset - 1 if config.position_offset else None
        rows = config.context + config.position_offset
        self.table = nn.Embedding(rows, config.width, padding_idx=padding)
        self.types = nn.Embedding(config.token_types, config.width) if config.token_types else None
        self.norm = make_norm(config) if config.norm_at == "post" else nn.Identity()

    def embed(self, x_BTD: Tensor, positions_BT: Tensor, types_BT: Tensor | None = None) -> Tensor:
        x_BTD = x_BTD + self.table(positions_BT + self.offset)
        if self.types is not None:
            x_BTD = x_BTD + (self.types.weight[0] if types_BT is None else self.types(types_BT))
        return self.norm(x_BTD)


class Rope(Position):
    """Rotary positions (Su et al. 2021, 2104.09864, eq. 34), halves rotated as in the Llama layout."""

    inverse: Tensor

    def __init__(self, config: Stack):
        super().__init__(config)
        # on the CPU also where weights are only declared: it is computed, not stored
        exponents = torch.arange(0, config.head_width, 2, dtype=torch.float64, device="cpu")
        inverse, self.amplitude = config.rope_theta ** -(exponents / config.head_width), 1.0
        if config.rope_scaling is not None:
            inverse, self.amplitude = stretched(inverse, config.rope_scaling, config.rope_theta)
        self.register_buffer("inverse", inverse.float(), persistent=False)

    def tables(self, positions_BT: Tensor, dtype: torch.dtype) -> Tables:
        """Cosines and sines [B or 1, 1, T, E]."""
        angles_BTE = positions_BT[..., None].float() * self.inverse
        angles_BTE = torch.cat((angles_BTE, angles_BTE), dim=-1)[:, None]
        cos, sin = angles_BTE.cos(), angles_BTE.sin()
        if self.amplitude != 1.0:
            cos, sin = cos * self.amplitude, sin * self.amplitude
        return cos.to(dtype), sin.to(dtype)


def rotate(x_BHTE: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns each pair (i, i + E/2) by its angle."""
    first, second = x_BHTE.chunk(2, dim=-1)
    return x_BHTE * cos + torch.cat((-second, first), dim=-1) * sin


def stretched(inverse: Tensor, scaling: RopeScaling, theta: float) -> tuple[Tensor, float]:
    """Frequencies for longer contexts, and the amplitude of cosines and sines.

    linear: Chen et al. 2023, 2306.15595; llama3: Llama 3.1's `apply_scaling` (2407.21783, section 3.2);
    yarn: Peng et al. 2023, 2309.00071, sections 3.2 and 3.4."""
    slow = inverse / scaling.factor
    if scaling.kind == "linear":
        return slow, 1.0
    if scaling.kind == "llama3":
        turns = scaling.original_context * inverse / (2 * math.pi)
        keep = (turns - scaling.low_frequency) / (scaling.high_frequency - scaling.low_frequency)
        keep = keep.clamp(0, 1)
        return keep * inverse + (1 - keep) * slow, 1.0
    width = 2 * len(inverse)

    def dimension(turns: float) -> float:
        return width * math.log(scaling.original_context / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low, high = dimension(scaling.beta_fast), dimension(scaling.beta_slow)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, width - 1)
    ramp = torch.arange(len(inverse), dtype=torch.float64, device="cpu") - low
    keep = 1 - (ramp / (high - low if high != low else 0.001)).clamp(0, 1)
    amplitude = 0.1 * math.log(scaling.factor) + 1 if scaling.amplitude is None else scaling.amplitude
    return keep * inverse + (1 - keep) * slow, amplitude


class RelativeBias(Position):
    """A learned bias a head and bucket of distances, added to the scores of every layer (Raffel et al. 2019,
    1910.10683, section 2.1). Half of the buckets are for single distances, half grow logarithmically."""

    def __init__(self, config: Stack):
        super().__init__(config)
        self.table = nn.Embedding(config.relative_buckets, config.heads)
        self.both_ways, self.farthest = config.visible == "full", config.relative_distance

    def buckets(self, queries: int, keys: int) -> Tensor:
        """int64 [T, S]; the last query stands at the last key."""
        device = self.table.weight.device
        ahead_TS = (
            torch.arange(keys, device=device) - torch.arange(keys - queries, keys, device=device)[:, None]
        )
        count = self.table.num_embeddings
        if self.both_ways:
            count //= 2
            first, distance = (ahead_TS > 0) * count, ahead_TS.abs()
        else:
            first, distance = torch.zeros_like(ahead_TS), (-ahead_TS).clamp(min=0)
        exact = count // 2
        growth = (distance.float() / exact).log() / math.log(self.farthest / exact) * (count - exact)
        far = (exact + growth.long()).clamp(max=count - 1)
        return first + torch.where(distance < exact, distance, far)

    def mask(self, visible: Visible, queries: int, keys: int) -> Visible:
        bias = self.table(self.buckets(queries, keys)).permute(2, 0, 1)[None]
        if visible is None and not self.both_ways:
            visible = causal(queries, keys, bias.device)
        return as_bias(visible, bias)


class Streams(NamedTuple):
    """What a layer of two-stream attention must know of its rows: T of content, then those that only ask."""

    content: int
    sinusoids_RD: Tensor
    distance_BTS: Tensor
    """int64 [1 or B, T, S]: the row of `sinusoids_RD` for each pair of query and key."""
    other_BTS: Tensor | None
    """int64: 1 where query and key are of different segments; None where segments are not told apart."""
    answered_BT1: Tensor | None
    """0 for rows that ask nothing; None where there are none."""
    memory: tuple[Tensor, ...]
    """A [B, M, D] a layer of states before the content; empty: none."""


class TwoStream(Position):
    """Distances as sinusoids, and the vector that asks for a position without its token (Yang et al. 2019,
    1906.08237, sections 2.3 and 2.4; Dai et al. 2019, 1901.02860, section 3.3)."""

    def __init__(self, config: Stack):
        super().__init__(config)
        self.query = nn.Parameter(torch.zeros(config.width))
        self.clamp, self.width = config.relative_distance, config.width

    def sinusoids(self, farthest: int, nearest: int) -> Tensor:
        """[R, D] for the distances `farthest` down to `nearest`, those before the query being positive."""
        device = self.query.device
        distance_R = torch.arange(farthest, nearest - 1, -1, device=device, dtype=torch.float32)
        if self.clamp:
            distance_R = distance_R.clamp(-self.clamp, self.clamp)
        frequency = 10_000 ** -(torch.arange(0, self.width, 2, device=device).float() / self.width)
        angles = distance_R[:, None] * frequency
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


POSITIONS: dict[str, type[Position]] = {
    "rope": Rope,
    "learned": Learned,
    "relative_bias": RelativeBias,
    "relative_two_stream": TwoStream,
}
