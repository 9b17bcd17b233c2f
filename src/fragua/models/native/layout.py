"""The structs of `step.cpp`."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_float, c_int32, c_int64, c_void_p
from typing import Self

from torch import Tensor

ACTIVATIONS = {"silu": 0, "gelu": 1, "gelu_new": 2, "relu": 3}
SIZES = ("layers", "width", "heads", "kv_heads", "head_width", "ffn_width", "context")
LEAST_ROWS = 4
"""Of a matrix: what the kernels compute side by side."""
KINDS = {"float32": 0, "int8": 1, "int4": 2}


class Matrix(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("scale", c_void_p),
        ("bias", c_void_p),
        ("rows", c_int64),
        ("columns", c_int64),
        ("kind", c_int32),
    ]

    @classmethod
    def of(
        cls, kind: str, data: int | None, scale: int | None, bias: int | None, rows: int, columns: int
    ) -> Self:
        return cls(data, scale, bias, rows, columns, KINDS[kind])


class Norm(ctypes.Structure):
    _fields_ = [("gain", c_void_p), ("bias", c_void_p)]


class Layer(ctypes.Structure):
    _fields_ = [
        ("attention_norm", Norm),
        ("ffn_norm", Norm),
        ("q_norm", c_void_p),
        ("k_norm", c_void_p),
        ("qkv", Matrix),
        ("out", Matrix),
        ("up", Matrix),
        ("down", Matrix),
        ("window", c_int64),
    ]


class Model(ctypes.Structure):
    _fields_ = [
        *((name, c_int64) for name in SIZES),
        ("gated", c_int64),
        ("activation", c_int64),
        ("eps", c_float),
        ("scale", c_float),
        ("positions", c_void_p),
        ("cos", c_void_p),
        ("sin", c_void_p),
        ("layer", POINTER(Layer)),
        ("norm", Norm),
        ("embedding", Matrix),
    ]


class Step(ctypes.Structure):
    _fields_ = [
        *((name, c_int64) for name in ("rows", "page", "pages")),
        *((name, c_void_p) for name in ("ids", "position", "sequence", "table", "keys", "values")),
        *((name, c_int64) for name in ("page_stride", "head_stride", "position_stride")),
        ("states", c_void_p),
        ("threads", c_int64),
    ]


def address(tensor: Tensor | None) -> int | None:
    if tensor is None:
        return None
    if not (tensor.is_contiguous() and tensor.device.type == "cpu"):
        raise TypeError("native code reads contiguous tensors of the CPU")
    return tensor.data_ptr()
