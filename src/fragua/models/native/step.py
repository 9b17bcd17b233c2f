"""A decoder's forward over rows of several sequences at once, by the compiled library."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fragua.errors import InputError
from fragua.models.block import Block, CrossBlock, PostNormBlock
from fragua.models.cache import Cache
from fragua.models.calls import Decoder
from fragua.models.feedforward import Gated, Plain
from fragua.models.linear import FrozenEmbedding, FrozenLinear
from fragua.models.native.layout import ACTIVATIONS, LEAST_ROWS, SIZES, Layer, Matrix, Norm, Step, address
from fragua.models.native.layout import Model as NativeModel
from fragua.models.native.library import library, multiply
from fragua.models.norms import RMSNorm
from fragua.models.positions import Learned, Rope


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
        self._tables: list[Tensor] = []
        self._describe()

    def states(
        self,
        ids_N: Tensor,
        positions_N: Tensor,
        sequences_N: Tensor,
        table_BP: Tensor,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
    ) -> Tensor:
        """The stream after the last norm, [N, D]; keys and values are written.

        Row n is token `ids_N` at position `positions_N` of sequence `sequences_N`; rows of one sequence come in
        order, and all before them are in the cache. `keys` and `values`: one a layer, [pages, K, page, E] of the same
        strides, the last of them 1; position p of sequence b is in page `table_BP[b, p // page]`. All int64.
        Raises InputError for a token or position out of range."""
        self._refresh()
        x_ND = torch.empty(len(ids_N), self.config.width)
        pointers = [(ctypes.c_void_p * len(side))(*(t.data_ptr() for t in side)) for side in (keys, values)]
        step = Step(
            len(ids_N),
            keys[0].shape[2],
            table_BP.shape[1],
            *(address(t) for t in (ids_N, positions_N, sequences_N, table_BP)),
            *(ctypes.addressof(each) for each in pointers),
            *keys[0].stride()[:3],
            address(x_ND),
            torch.get_num_threads(),
        )
        found = library()
        assert found is not None, "`of` has looked"
        if wrong := found.fragua_step(ctypes.byref(self._model), ctypes.byref(step)):
            row = wrong - 1
            what = f"token {int(ids_N[row])} at position {int(positions_N[row])} is out of range"
            raise InputError(what, "the model")
        return x_ND

    def read(self, ids: Sequence[int], cache: Cache) -> Tensor:
        """The logits after these tokens more of the one sequence that the cache holds, [1, V]."""
        cache.reserve(len(ids))
        positions_N = torch.arange(cache.length, cache.length + len(ids))
        zeros_N = torch.zeros_like(positions_N)
        x_ND = self.states(
            torch.tensor(ids), positions_N, zeros_N, zeros_N[:1, None], cache.keys, cache.values
        )
        cache.length += len(ids)
        return self.logits(x_ND[-1:])

    def logits(self, x_WD: Tensor) -> Tensor:
        """[W, V] of some of those rows."""
        self._refresh()
        logits_WV = multiply(self._head, x_WD)
        assert logits_WV is not None, "`of` has looked"
        return logits_WV

    def _refresh(self) -> None:
        """Describes the decoder anew where its weights were assigned, not only changed."""
        if self._addresses != [tensor.data_ptr() for tensor in self._tensors()]:
            self._describe()

    def _tensors(self) -> list[Tensor]:
        return [*self.decoder.parameters(), *self.decoder.buffers()]

    def _describe(self) -> None:
        config, stack = self.config, self.decoder.transformer
        layers = (Layer * config.layers)()
        for number, block in enumerate(stack.blocks):
            assert isinstance(block, Block) and isinstance(block.ffn, Gated | Plain), "as `of` has seen"
            attention, ffn, layer = block.attention, block.ffn, layers[number]
            layer.attention_norm, layer.ffn_norm = norm_of(block.attention_norm), norm_of(block.ffn_norm)
            for name in ("q_norm", "k_norm"):
                if isinstance(norm := getattr(attention, name), RMSNorm):
                    setattr(layer, name, address(norm.weight))
            layer.qkv, layer.out = matrix_of(attention.qkv), matrix_of(attention.out)
            layer.up = matrix_of(ffn.gate_up if isinstance(ffn, Gated) else ffn.up)
            layer.down = matrix_of(ffn.down)
            layer.window = config.window or 0 if number >= config.window_from else 0
        positions = cos = sin = None
        if isinstance(stack.position, Learned):
            positions = address(stack.position.table.weight)
        elif isinstance(stack.position, Rope):
            tables = stack.position.tables(torch.arange(config.context)[None], torch.float32)
            self._tables = [table.contiguous() for table in tables]
            cos, sin = (address(table) for table in self._tables)
        self._model = NativeModel(
            *(getattr(config, name) for name in SIZES),
            config.ffn == "gated",
            ACTIVATIONS[config.activation],
            config.norm_eps,
            config.head_width**-0.5 if config.scale is None else config.scale,
            positions,
            cos,
            sin,
            layers,
            norm_of(stack.norm),
            matrix_of(stack.embedding),
        )
        self._head = matrix_of(self.decoder.head)
        self._addresses = [tensor.data_ptr() for tensor in self._tensors()]


def norm_of(module: nn.Module) -> Norm:
    assert isinstance(module, nn.LayerNorm | RMSNorm), "a norm has a gain"
    return Norm(address(module.weight), address(getattr(module, "bias", None)))


def matrix_of(module: nn.Module) -> Matrix:
    """A linear layer, or a table of embeddings, as native code sees it."""
    if isinstance(module, FrozenEmbedding):
        return module.layer.matrix()
    if isinstance(module, FrozenLinear):
        return module.matrix()
    assert isinstance(module, nn.Linear | nn.Embedding), "as `of` has seen"
    bias = getattr(module, "bias", None)
    return Matrix.of("float32", address(module.weight), None, address(bias), *module.weight.shape)


def _known(decoder: Decoder) -> bool:
    """A causal stack of blocks with norms before, in float32 on a CPU, with plain or frozen layers."""
    if type(decoder) is not Decoder or decoder.device.type != "cpu" or decoder.config.visible != "causal":
        return False
    config, stack = decoder.config, decoder.transformer
    layers = [decoder.head, stack.embedding]
    for block in stack.blocks:
        if not isinstance(block, Block) or isinstance(block, PostNormBlock | CrossBlock):
            return False
        if not isinstance(block.ffn, Gated | Plain):
            return False
        ups = [block.ffn.gate_up] if isinstance(block.ffn, Gated) else [block.ffn.up]
        layers += [block.attention.qkv, block.attention.out, *ups, block.ffn.down]
    return (
        all(p.dtype == torch.float32 and p.is_contiguous() for p in decoder.parameters())
        and all(isinstance(x, nn.Linear | nn.Embedding | FrozenLinear | FrozenEmbedding) for x in layers)
        and isinstance(stack.position, Rope | Learned)
        and isinstance(decoder.before_head, nn.Identity)
        and min(config.width, config.ffn_width, config.vocab_size) >= LEAST_ROWS
    )
