"""A decoder's forward over rows of several sequences at once, by the compiled library."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fragua.errors import InputError
from fragua.models.block import Block, CrossBlock, PostNormBlock
from fragua.models.calls import Decoder
from fragua.models.feedforward import Gated, Plain
from fragua.models.native.layout import (
    ACTIVATIONS,
    SIZES,
    Layer,
    Matrix,
    Model,
    Step,
    address,
    float_matrix,
    norm_of,
)
from fragua.models.native.library import library
from fragua.models.norms import RMSNorm
from fragua.models.positions import Learned, Rope

LEAST_ROWS = 4
"""Of a matrix: what the kernels compute side by side."""


class NativeDecoder:
    """Reads the decoder's own tensors where they lie, so that a training step is seen at once.

    A row's result does not depend on the rows beside it, bit for bit: neither on their number nor on how a prompt
    is cut."""

    @classmethod
    def of(cls, decoder: Decoder) -> NativeDecoder | None:
        """None where there is no compiler, or for a kind of model that `step.cpp` does not know."""
        return cls(decoder) if _known(decoder) and library() is not None else None

    def __init__(self, decoder: Decoder):
        """The decoder must be one that `of` takes."""
        self.decoder, self.config = decoder, decoder.config
        found = library()
        assert found is not None, "`of` has looked"
        self._library = found
        self._tables: list[Tensor] = []
        self._model, self._addresses = self._describe(), self._where()

    def step(
        self,
        ids_N: Tensor,
        positions_N: Tensor,
        sequences_N: Tensor,
        table_BP: Tensor,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
        wanted_W: Tensor,
        *,
        logits: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """The last states [W, D] and the logits [W, V] of the rows `wanted_W`; keys and values are written.

        Row n is token `ids_N` at position `positions_N` of sequence `sequences_N`; rows of one sequence come in
        order, and all before them are in the cache. `keys` and `values`: one a layer, [pages, K, page, E], any
        strides but the last; position p of sequence b is in page `table_BP[b, p // page]`. All int64."""
        if self._where() != self._addresses:  # weights were assigned anew
            self._model, self._addresses = self._describe(), self._where()
        hidden_WD = torch.empty(len(wanted_W), self.config.width)
        logits_WV = torch.empty(len(wanted_W), self._model.head.rows) if logits else None
        pointers = [(ctypes.c_void_p * len(side))(*(t.data_ptr() for t in side)) for side in (keys, values)]
        strides = keys[0].stride()
        step = Step(
            len(ids_N),
            len(wanted_W),
            keys[0].shape[2],
            table_BP.shape[1],
            *(address(t) for t in (ids_N, positions_N, sequences_N, table_BP)),
            *(ctypes.addressof(each) for each in pointers),
            *strides[:3],
            *(address(t) for t in (wanted_W, hidden_WD, logits_WV)),
            torch.get_num_threads(),
        )
        if wrong := self._library.fragua_step(ctypes.byref(self._model), ctypes.byref(step)):
            row = wrong - 1
            what = f"token {int(ids_N[row])} at position {int(positions_N[row])} is out of range"
            raise InputError(what, "the model")
        return hidden_WD, logits_WV

    def _where(self) -> list[int]:
        return [tensor.data_ptr() for tensor in (*self.decoder.parameters(), *self.decoder.buffers())]

    def _describe(self) -> Model:
        config, stack = self.config, self.decoder.transformer
        layers = (Layer * config.layers)()
        for number, block in enumerate(stack.blocks):
            assert isinstance(block, Block) and isinstance(block.ffn, Gated | Plain), "as `of` has seen"
            attention, ffn = block.attention, block.ffn
            layer = layers[number]
            layer.attention_norm, layer.ffn_norm = norm_of(block.attention_norm), norm_of(block.ffn_norm)
            for name in ("q_norm", "k_norm"):
                if isinstance(norm := getattr(attention, name), RMSNorm):
                    setattr(layer, name, address(norm.weight))
            layer.qkv, layer.out = matrix_of(attention.qkv), matrix_of(attention.out)
            layer.up = matrix_of(ffn.gate_up if isinstance(ffn, Gated) else ffn.up)
            layer.down = matrix_of(ffn.down)
            layer.window = config.window or 0 if number >= config.window_from else 0
        tables: list[int | None] = [None, None, None]
        position = stack.position
        if isinstance(position, Rope):
            self._tables = [
                t.contiguous() for t in position.tables(torch.arange(config.context)[None], torch.float32)
            ]
            tables[1:] = [address(t) for t in self._tables]
        elif isinstance(position, Learned):
            tables[0] = address(position.table.weight)
        return Model(
            *(getattr(config, name) for name in SIZES),
            config.ffn == "gated",
            ACTIVATIONS[config.activation],
            config.norm_eps,
            config.head_width**-0.5 if config.scale is None else config.scale,
            *tables,
            layers,
            norm_of(stack.norm),
            matrix_of(stack.embedding),
            matrix_of(self.decoder.head),
        )


def matrix_of(module: nn.Module) -> Matrix:
    """A linear layer, or a table of embeddings, as native code sees it."""
    described = getattr(module, "native_matrix", None)
    if described is not None:
        return described()
    assert isinstance(module, nn.Linear | nn.Embedding), "as `of` has seen"
    return float_matrix(module.weight.detach(), getattr(module, "bias", None))


def _known(decoder: Decoder) -> bool:
    """A causal stack of blocks with norms before, in float32 on a CPU."""
    config, stack = decoder.config, decoder.transformer
    return (
        type(decoder) is Decoder
        and decoder.device.type == "cpu"
        and all(p.dtype == torch.float32 and p.is_contiguous() for p in decoder.parameters())
        and isinstance(stack.position, Rope | Learned)
        and isinstance(decoder.before_head, nn.Identity)
        and all(isinstance(b, Block) and not isinstance(b, PostNormBlock | CrossBlock) for b in stack.blocks)
        and all(isinstance(b.ffn, Gated | Plain) for b in stack.blocks)
        and config.visible == "causal"
        and min(config.width, config.ffn_width, config.vocab_size) >= LEAST_ROWS
    )
