"""Weights as whole numbers: groups of 64 in a row share a scale."""

from __future__ import annotations

import numpy as np
import torch

from fragua.inference.export.run import GROUP, INT4, INT8, TINY, padded
from fragua.models.linear import nearest_int4


def in_groups(w_RC: np.ndarray) -> np.ndarray:
    """[R, C] -> [R, C / 64, 64], filled up with zeros."""
    rows, columns = w_RC.shape
    return np.pad(w_RC, ((0, 0), (0, padded(columns) - columns))).reshape(rows, -1, GROUP)


def quantize(w_RC: np.ndarray, dtype: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights [R, C] -> uint8 [R, C / 64, 64] or packed [R, C / 64, 32], and float32 scales [R, C / 64].

    int8: value + 128, from -127 to 127 times the scale. int4: value + 8, from -8 to 7; a byte holds weight i of
    its group below and weight i + 32 above."""
    w = in_groups(w_RC)
    if dtype == INT8:
        scales = np.abs(w).max(-1) / np.float32(127)
        return (_whole(w, scales, -127, 127) + 128).astype(np.uint8), scales
    assert dtype == INT4, "float32 is not quantised"
    values, scales = (part.numpy() for part in nearest_int4(torch.from_numpy(w)))
    unsigned = (values + 8).astype(np.uint8)
    return unsigned[..., : GROUP // 2] | unsigned[..., GROUP // 2 :] << 4, scales


def _whole(w: np.ndarray, scales: np.ndarray, low: int, high: int) -> np.ndarray:
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=np.abs(scales) > TINY)
    return np.rint(w * inverse[..., None]).clip(low, high)
