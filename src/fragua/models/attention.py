"""Attention: fused q, k, v; three ways to the same numbers, taken by what must be computed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fragua.models.cache import Cache
from fragua.models.config import Stack
from fragua.models.linear import Linear
from fragua.models.norms import RMSNorm
from fragua.models.positions import Streams, Tables, rotate
from fragua.models.visibility import UNSEEN, Visible, as_bias, causal

EXPLICIT_CONTEXT = 512
"""Up to here, in bfloat16 on a CPU, an explicit softmax trains faster compiled than the fused kernel does; in float32
the fused one is 8 to 13 % faster (docs/decisions/0004-the-decoder.md)."""


def attend(
    q_BHTE: Tensor,
    k_BKSE: Tensor,
    v_BKSE: Tensor,
    visible: Visible,
    is_causal: bool = True,
    scale: float | None = None,
) -> Tensor:
    """softmax(q kᵀ · scale) v over the visible positions -> [B, H, T, E] (Vaswani et al. 2017, 1706.03762, eq. 1)."""
    grouped = q_BHTE.shape[1] != k_BKSE.shape[1]
    is_causal = is_causal and visible is None and q_BHTE.shape[2] != 1
    if is_causal and q_BHTE.shape[2] != k_BKSE.shape[2]:
        visible, is_causal = causal(q_BHTE.shape[2], k_BKSE.shape[2], q_BHTE.device), False
    return F.scaled_dot_product_attention(
        q_BHTE, k_BKSE, v_BKSE, attn_mask=visible, is_causal=is_causal, scale=scale, enable_gqa=grouped
    )


def attention_weights(
    q_BHTE: Tensor, k_BHSE: Tensor, visible: Visible, is_causal: bool = True, scale: float | None = None
) -> Tensor:
    """softmax(q kᵀ · scale), float32 [B, H, T, S]."""
    if visible is None and is_causal:
        visible = causal(q_BHTE.shape[2], k_BHSE.shape[2], q_BHTE.device)
    scores_BHTS = ((q_BHTE * (q_BHTE.shape[-1] ** -0.5 if scale is None else scale)) @ k_BHSE.mT).float()
    if visible is not None and visible.dtype == torch.bool:
        scores_BHTS = torch.where(visible, scores_BHTS, UNSEEN)
    elif visible is not None:
        scores_BHTS = scores_BHTS + visible
    return scores_BHTS.softmax(-1)


def attend_explicit(
    q_BHTE: Tensor,
    k_BKSE: Tensor,
    v_BKSE: Tensor,
    visible: Visible,
    is_causal: bool = True,
    scale: float | None = None,
    weights: list[Tensor] | None = None,
) -> Tensor:
    """The same by two batched products and a softmax between, which a compiler fuses; `weights` takes the softmax."""
    groups = q_BHTE.shape[1] // k_BKSE.shape[1]
    if groups > 1:
        k_BKSE, v_BKSE = k_BKSE.repeat_interleave(groups, 1), v_BKSE.repeat_interleave(groups, 1)
    weights_BHTS = attention_weights(q_BHTE, k_BKSE, visible, is_causal, scale).to(v_BKSE.dtype)
    if weights is not None:
        weights.append(weights_BHTS)
    return weights_BHTS @ v_BKSE


def _turned(q_BHTE: Tensor, k_BKTE: Tensor, tables: Tables) -> tuple[Tensor, Tensor]:
    return rotate(q_BHTE, *tables), rotate(k_BKTE, *tables)


def _unturned(q_BHTE: Tensor, k_BKTE: Tensor, tables: Tables) -> tuple[Tensor, Tensor]:
    return q_BHTE, k_BKTE


class Attention(nn.Module):
    """Self-attention of one block."""

    def __init__(self, config: Stack, layer: int = 0):
        super().__init__()
        self.heads, self.kv_heads, self.head_width = config.heads, config.kv_heads, config.head_width
        self.query_width, self.key_width = (
            config.heads * config.head_width,
            config.kv_heads * config.head_width,
        )
        self.layer, self.causal = layer, config.visible == "causal"
        self.scale = config.head_width**-0.5 if config.scale is None else config.scale
        self.qkv = Linear(config.width, self.query_width + 2 * self.key_width, bias=config.attention_bias)
        self.out = nn.Linear(self.query_width, config.width, bias=config.output_bias)
        self.q_norm = RMSNorm(config.head_width, config.norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(config.head_width, config.norm_eps) if config.qk_norm else nn.Identity()
        self.turn = _turned if config.position == "rope" else _unturned

    @torch.no_grad()
    def look_for_likes(self) -> None:
        """Each key head takes the weights of its group's first query head: q·k is largest for equal tokens."""
        rows_NED = self.qkv.weight.view(-1, self.head_width, self.qkv.in_features)
        group = self.heads // self.kv_heads
        rows_NED[self.heads : self.heads + self.kv_heads] = rows_NED[: self.heads : group]

    def forward(
        self,
        x_BTD: Tensor,
        visible: Visible,
        tables: Tables,
        cache: Cache | None = None,
        layer: int = 0,
        weights: list[Tensor] | None = None,
    ) -> Tensor:
        """`weights` takes the softmax of the scores, at the price of the explicit path."""
        batch, time, _ = x_BTD.shape
        q, k, v = self.qkv(x_BTD).split((self.query_width, self.key_width, self.key_width), dim=-1)
        q_BHTE = self.q_norm(q.view(batch, time, self.heads, self.head_width)).transpose(1, 2)
        k_BKTE = self.k_norm(k.view(batch, time, self.kv_heads, self.head_width)).transpose(1, 2)
        v_BKSE = v.view(batch, time, self.kv_heads, self.head_width).transpose(1, 2)
        q_BHTE, k_BKSE = self.turn(q_BHTE, k_BKTE, tables)
        if cache is not None:
            k_BKSE, v_BKSE = cache.append(layer, k_BKSE, v_BKSE)
        return self.mix(q_BHTE, k_BKSE, v_BKSE, visible, weights)

    def mix(
        self,
        q_BHTE: Tensor,
        k_BKSE: Tensor,
        v_BKSE: Tensor,
        visible: Visible,
        weights: list[Tensor] | None,
    ) -> Tensor:
        """The values that the queries find, projected back into the stream: [B, T, D]."""
        time, half = q_BHTE.shape[2], v_BKSE.dtype == torch.bfloat16 and not v_BKSE.is_cuda
        if weights is not None:
            y_BHTE = attend_explicit(q_BHTE, k_BKSE, v_BKSE, visible, self.causal, self.scale, weights)
        else:
            explicit = self.training and half and time <= EXPLICIT_CONTEXT
            way = attend_explicit if explicit else attend
            y_BHTE = way(q_BHTE, k_BKSE, v_BKSE, visible, self.causal, self.scale)
        return self.out(y_BHTE.transpose(1, 2).flatten(2))


class SourceAttention(Attention):
    """Queries from the stream, keys and values from elsewhere: an encoder's states."""

    def __init__(self, config: Stack, layer: int = 0):
        super().__init__(config, layer)
        self.causal = False

    def queries(self, x_BTD: Tensor) -> Tensor:
        """[B, H, T, E]"""
        q = self.qkv.rows(x_BTD, 0, self.query_width)
        return q.unflatten(-1, (self.heads, self.head_width)).transpose(1, 2)

    def keys_values(self, source_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """Each [B, K, S, E]."""
        kv = self.qkv.rows(source_BSD, self.query_width, self.qkv.out_features)
        k_BKSE, v_BKSE = kv.unflatten(-1, (2, self.kv_heads, self.head_width)).permute(2, 0, 3, 1, 4)
        return k_BKSE, v_BKSE

    def forward(  # type: ignore[override]
        self,
        x_BTD: Tensor,
        source: tuple[Tensor, Tensor],
        visible: Visible,
        weights: list[Tensor] | None = None,
    ) -> Tensor:
        """`source`: its keys and values, computed once for all the steps that read them."""
        return self.mix(self.queries(x_BTD), *source, visible, weights)


class TwoStreamAttention(SourceAttention):
    """Every row asks, only content rows (and the memory before them) are seen. Distances and segments enter as biases
    that depend on the query (Yang et al. 2019, 1906.08237, appendix A.2)."""

    def __init__(self, config: Stack, layer: int = 0):
        super().__init__(config, layer)
        self.distance = nn.Linear(config.width, self.query_width, bias=False)
        shape = (config.heads, 1, config.head_width)
        self.content_bias = nn.Parameter(torch.zeros(shape))
        self.distance_bias = nn.Parameter(torch.zeros(shape))
        self.segment_bias = nn.Parameter(torch.zeros(shape))
        self.segments = nn.Parameter(torch.zeros(2, config.heads, config.head_width))

    def forward(  # type: ignore[override]
        self,
        x_BTD: Tensor,
        visible: Visible,
        tables: Streams,
        weights: list[Tensor] | None = None,
    ) -> Tensor:
        content_BSD = x_BTD[:, : tables.content]
        if tables.memory:
            content_BSD = torch.cat((tables.memory[self.layer], content_BSD), dim=1)
        q_BHTE = self.queries(x_BTD)
        k_BHSE, v_BHSE = self.keys_values(content_BSD)
        bias_BHTS = self.scale * self.relative(q_BHTE, tables)
        x_BTD = self.mix(q_BHTE + self.content_bias, k_BHSE, v_BHSE, as_bias(visible, bias_BHTS), weights)
        return x_BTD if tables.answered_BT1 is None else x_BTD * tables.answered_BT1

    def relative(self, q_BHTE: Tensor, tables: Streams) -> Tensor:
        """What distance and segment add to the unscaled scores, [B, H, T, S]."""
        r_RHE = self.distance(tables.sinusoids_RD).unflatten(-1, (self.heads, self.head_width))
        by_distance_BHTR = (q_BHTE + self.distance_bias) @ r_RHE.permute(1, 2, 0)
        where_BHTS = tables.distance_BTS[:, None].expand(*by_distance_BHTR.shape[:2], -1, -1)
        bias_BHTS = by_distance_BHTR.gather(-1, where_BHTS)
        if tables.other_BTS is None:
            return bias_BHTS
        by_segment_BHT2 = (q_BHTE + self.segment_bias) @ self.segments.permute(1, 2, 0)
        other_BHTS = tables.other_BTS[:, None].expand_as(bias_BHTS)
        return bias_BHTS + by_segment_BHT2.gather(-1, other_BHTS)
