"""Which positions a position may see: a name where the fast path serves, a mask only where it can't."""

from __future__ import annotations

import torch
from torch import Tensor

Visible = Tensor | None
"""None: what the stack is made for, causal or full, on the fast path. Else bool [B, 1, T, S], True where the query
may see the key, or float [B, H, T, S], added to the scores. Any of the dimensions may be 1."""

UNSEEN = -1e30
"""Added to a score that may not count: a row of nothing else becomes uniform, not NaN."""


def causal(queries: int, keys: int, device: torch.device | None = None) -> Tensor:
    """Bool [T, S]; the last query stands at the last key (a cache holds the keys before)."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def documents(documents_BT: Tensor) -> Tensor:
    """Causal inside each packed document: bool [B, 1, T, T]. Padding (-1) sees padding, so no row is empty."""
    length = documents_BT.shape[1]
    same_BTT = documents_BT[:, :, None] == documents_BT[:, None, :]
    return (same_BTT & causal(length, length, documents_BT.device))[:, None]


def padded(attention_mask_BS: Tensor, queries: int) -> Visible:
    """Causal over the tokens that transformers' `attention_mask` marks with 1; None where nothing is padded.

    A padding query sees itself, so that no softmax is empty."""
    if bool(attention_mask_BS.all()):
        return None
    keys = attention_mask_BS.shape[1]
    visible_TS = causal(queries, keys, attention_mask_BS.device)
    itself_TS = visible_TS & ~visible_TS.tril(keys - queries - 1)
    return ((attention_mask_BS.bool()[:, None, :] & visible_TS) | itself_TS)[:, None]


def real(attention_mask_BS: Tensor | None) -> Visible:
    """Everyone sees all the tokens that `attention_mask` marks with 1: bool [B, 1, 1, S], None where all are."""
    if attention_mask_BS is None or bool(attention_mask_BS.all()):
        return None
    return attention_mask_BS.bool()[:, None, None, :]


def windowed(visible: Visible, queries: int, keys: int, window: int, device: torch.device) -> Visible:
    """Causal, and no further back than `window` positions, the query's own included."""
    if keys <= window:
        return visible
    near_TS = causal(queries, keys, device).triu(keys - queries - window + 1)
    return near_TS if visible is None else visible & near_TS


def as_bias(visible: Visible, bias_BHTS: Tensor) -> Tensor:
    """The bias, and UNSEEN beside it where a key may not be seen."""
    return bias_BHTS if visible is None else bias_BHTS + torch.where(visible, 0.0, UNSEEN)
