"""The arithmetic of a step in compiled code, where there is a compiler and the model is one that it knows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fragua.inference.engine.runner import Runner, Step, TorchRunner
from fragua.inference.engine.store import PAGE, Store
from fragua.inference.reading import GenerativeModel
from fragua.models.calls import Decoder
from fragua.models.native.step import NativeDecoder


class NativeRunner:
    """Whatever the mode, a row's numbers do not depend on the rows beside it."""

    def __init__(self, native: NativeDecoder, store: Store):
        self.native, self.store = native, store
        self._keys, self._values = (
            [pool_KPE.unflatten(1, (-1, PAGE)).transpose(0, 1) for pool_KPE in side]
            for side in (store.keys, store.values)
        )

    def states(self, step: Step) -> Tensor:
        widest = max(len(part.pages) for part in step.parts)
        table_BP = torch.tensor([[*part.pages, *[0] * (widest - len(part.pages))] for part in step.parts])
        sequences = [number for number, part in enumerate(step.parts) for _ in range(part.count)]
        ids_N, positions_N, sequences_N = torch.tensor([step.ids, step.positions(), sequences]).unbind()
        return self.native.states(ids_N, positions_N, sequences_N, table_BP, self._keys, self._values)

    def logits(self, x_WD: Tensor) -> Tensor:
        return self.native.logits(x_WD)

    def read_source(self, ids: Sequence[int], pages: Sequence[int]) -> None:
        raise AssertionError("encoder-decoders are left to torch")


def fastest_runner(model: GenerativeModel, store: Store, deterministic: bool = False) -> Runner:
    """Native code, or torch where there is none for this model or on this machine."""
    native = NativeDecoder.of(model) if isinstance(model, Decoder) else None
    return TorchRunner(model, store, deterministic) if native is None else NativeRunner(native, store)
