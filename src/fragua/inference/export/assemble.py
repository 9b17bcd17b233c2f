"""Other people's tensors, by Hugging Face's names, put together to a model of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from fragua.errors import InputError
from fragua.models import Decoder, Stack
from fragua.models.io import FAMILIES


def assemble(stack: Stack, tensors: Mapping[str, np.ndarray], place: Path) -> Decoder:
    """Raises InputError for a tensor that is missing or of another shape."""
    model = Decoder(stack)
    state = {}
    for row in FAMILIES[stack.family].table(stack):
        missing = [name for name in row.theirs if name not in tensors]
        if missing:
            raise InputError(f"tensor '{missing[0]}' is missing", place)
        state[row.ours] = torch.from_numpy(np.concatenate([tensors[name] for name in row.theirs]))
        if state[row.ours].shape != (wanted := model.state_dict()[row.ours].shape):
            raise InputError(
                f"tensor '{row.theirs[0]}' has shape {list(state[row.ours].shape)}, not {list(wanted)}", place
            )
    if stack.tied:
        state["head.weight"] = state["transformer.embedding.weight"]
    model.load_state_dict(state)
    return model.eval()


def interleaved_to_halves(w: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries or keys: rotary pairs that are neighbours (2i, 2i + 1) -> (i, i + E/2), as we have them."""
    return w.reshape(heads, -1, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def halves_to_interleaved(w: np.ndarray, heads: int) -> np.ndarray:
    """The way back."""
    return w.reshape(heads, 2, -1, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)
