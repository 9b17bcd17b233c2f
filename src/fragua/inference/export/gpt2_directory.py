"""A GPT-2 directory of Hugging Face's as it stands: its sizes, and its tensors with outputs as rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from fragua.errors import InputError
from fragua.files import read_json
from fragua.models.io import weight_files

TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
"""GPT-2 stores these as [inputs, outputs]."""
LEFT_OUT = (".attn.bias", ".attn.masked_bias")
"""Masks that old files hold."""


@dataclass(frozen=True)
class Gpt2:
    vocab_size: int
    context: int
    layers: int
    width: int
    heads: int
    ffn_width: int
    norm_eps: float
    directory: Path

    @property
    def tensors(self) -> Iterator[tuple[str, np.ndarray]]:
        """(name as transformers writes it, float32); a tied output is left out."""
        found = set()
        for file in weight_files(self.directory):
            try:
                with safe_open(file, framework="pt") as opened:
                    for name in opened.keys():  # noqa: SIM118 (not a dictionary)
                        if name.endswith(LEFT_OUT):
                            continue
                        tensor = opened.get_tensor(name).float().numpy()
                        full = (
                            name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}"
                        )
                        found.add(full)
                        yield full, tensor.T if full.endswith(TRANSPOSED) else tensor
            except (SafetensorError, OSError) as error:
                raise InputError(
                    f"cannot be read ({error})", file, "the file is truncated or not safetensors"
                ) from error
        wanted = {f"transformer.h.{layer}.mlp.c_proj.weight" for layer in range(self.layers)}
        for name in sorted((wanted | {"transformer.wte.weight", "transformer.ln_f.weight"}) - found):
            raise InputError(f"tensor '{name}' is missing", self.directory)


def read_gpt2(directory: Path) -> Gpt2:
    """Raises InputError for a missing field or a choice that changes the result and is not GPT-2's own."""
    path = directory / "config.json"
    config = read_json(path)
    fixed = {
        "activation_function": "gelu_new",
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
    }
    for key, value in fixed.items():
        if config.get(key, value) != value:
            raise InputError(f"{key} = {config[key]!r} is not supported", path, f"known: {value!r}")
    try:
        return Gpt2(
            vocab_size=config["vocab_size"],
            context=config["n_positions"],
            layers=config["n_layer"],
            width=config["n_embd"],
            heads=config["n_head"],
            ffn_width=config.get("n_inner") or 4 * config["n_embd"],
            norm_eps=config["layer_norm_epsilon"],
            directory=directory,
        )
    except KeyError as error:
        raise InputError(f"no field {error}", path, "is it a GPT-2's config.json?") from error
