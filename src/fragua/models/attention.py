"""Attention: fused q, k, v; three ways to the same numbers, taken by what must be computed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fragua.models.cache import Cache
from fragua.models.config import Stack
from fragua.models.norms import RMSNorm
from fragua.models.positions import rotate
from fragua.models.visibility import Visible, causal

EXPLICIT_CONTEXT = 512
"""Up to here, in bfloat16 on a CPU, an explicit softmax trains faster compiled than the fused kernel does; in float32
the fused one is 8 to 13 % faster (docs/decisions/0004-the-decoder.md)."""


def attend(q_BHTE: Tensor, k_BKSE: Tensor, v_BKSE: Tensor, visible: Visible) -> Tensor:
    """softmax(q kᵀ / √E) v over the visible positions -> [B, H, T, E] (Vaswani et al. 2017, 1706.03762, eq. 1)."""
    grouped = q_BHTE.shape[1] != k_BKSE.shape[1]
    one_query = q_BHTE.shape[2] == 1
    if visible is None and not one_query and q_BHTE.shape[2] != k_BKSE.shape[2]:
        visible = causal(q_BHTE.shape[2], k_BKSE.shape[2], q_BHTE.device)
    return F.scaled_dot_product_attention(
        q_BHTE,
        k_BKSE,
        v_BKSE,
        attn_mask=visible,
        is_causal=visible is None and not one_query,
        enable_gqa=grouped,
    )


def attend_explicit(q_BHTE: Tensor, k_BKSE: Tensor, v_BKSE: Tensor, visible: Visible) -> Tensor:
    """The same by two batched products and a softmax between, which a compiler fuses."""
    groups = q_BHTE.shape[1] // k_BKSE.shape[1]
    if groups > 1:
        k_BKSE, v_BKSE = k_BKSE.repeat_interleave(groups, 1), v_BKSE.repeat_interleave(groups, 1)
    if visible is None:
        visible = causal(q_BHTE.shape[2], k_BKSE.shape[2], q_BHTE.device)
    scores_BHTS = (q_BHTE * q_BHTE.shape[-1] ** -0.5) @ k_BKSE.mT
    scores_BHTS = torch.where(visible, scores_BHTS.float(), -1e30)
    return scores_BHTS.softmax(-1).to(v_BKSE.dtype) @ v_BKSE


class Attention(nn.Module):
    """Self-attention of one block."""

    def __init__(self, config: Stack):
        super().__init__()
        self.heads, self.kv_heads, self.head_width = config.heads, config.kv_heads, config.head_width
        self.query_width, self.key_width = (
            config.heads * config.head_width,
            config.kv_heads * config.head_width,
        )
        self.qkv = nn.Linear(config.width, self.query_width + 2 * self.key_width, bias=config.attention_bias)
        self.out = nn.Linear(self.query_width, config.width, bias=config.attention_bias)
        self.q_norm = RMSNorm(config.head_width, config.norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(config.head_width, config.norm_eps) if config.qk_norm else nn.Identity()

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
        rope: tuple[Tensor, Tensor],
        cache: Cache | None = None,
        layer: int = 0,
    ) -> Tensor:
        batch, time, _ = x_BTD.shape
        q, k, v = self.qkv(x_BTD).split((self.query_width, self.key_width, self.key_width), dim=-1)
        q_BHTE = self.q_norm(q.view(batch, time, self.heads, self.head_width)).transpose(1, 2)
        k_BKTE = self.k_norm(k.view(batch, time, self.kv_heads, self.head_width)).transpose(1, 2)
        v_BKSE = v.view(batch, time, self.kv_heads, self.head_width).transpose(1, 2)
        q_BHTE, k_BKSE = rotate(q_BHTE, *rope), rotate(k_BKTE, *rope)
        if cache is not None:
            k_BKSE, v_BKSE = cache.append(layer, k_BKSE, v_BKSE)
        half = v.dtype == torch.bfloat16 and not v.is_cuda
        explicit = self.training and half and time <= EXPLICIT_CONTEXT
        y_BHTE = (attend_explicit if explicit else attend)(q_BHTE, k_BKSE, v_BKSE, visible)
        return self.out(y_BHTE.transpose(1, 2).reshape(batch, time, self.query_width))
