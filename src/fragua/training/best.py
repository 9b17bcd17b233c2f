"""The weights of the lowest validation loss, kept where a small text is learned by heart after a while."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from fragua.files import atomic_write
from fragua.models.calls import Model
from fragua.training.checkpoint import trained

BEST = "checkpoints/best.safetensors"
FIGURES = ("validation_loss", "validation_bits_per_byte")


def keep_best(path: Path, model: Model, row: dict[str, Any]) -> None:
    """Writes the weights with the row's figures, unless those that are there are as good."""
    if path.is_file() and _figures(path)["validation_loss"] <= row["validation_loss"]:
        return
    figures = {"best_step": row["step"], **{name: row[name] for name in FIGURES}}
    tensors = {name: tensor.detach().contiguous() for name, tensor in trained(model)}
    with atomic_write(path, "wb") as file:
        file.write(save(tensors, {"figures": json.dumps(figures)}))


def take_best(path: Path, model: Model) -> dict[str, Any]:
    """Puts them into the model; their figures: best_step, validation_loss, validation_bits_per_byte."""
    tensors = load_file(path)
    with torch.no_grad():
        for name, parameter in trained(model):
            parameter.copy_(tensors[name])
    return _figures(path)


def _figures(path: Path) -> dict[str, Any]:
    with safe_open(path, "pt") as file:
        figures: dict[str, Any] = json.loads(file.metadata()["figures"])
    return figures
