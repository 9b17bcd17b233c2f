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


def keep_best(path: Path, model: Model, row: dict[str, Any]) -> None:
    """Writes the weights with the row's figures, unless those that are there are as good."""
    if path.is_file() and _figures(path)["validation_loss"] <= row["validation_loss"]:
        return
    figures = {name: value for name, value in row.items() if name.startswith("validation_")}
    figures["best_step"] = row["step"]
    tensors = {name: tensor.detach().contiguous() for name, tensor in trained(model)}
    with atomic_write(path, "wb") as file:
        file.write(save(tensors, {"figures": json.dumps(figures)}))


def take_best(path: Path, model: Model) -> dict[str, Any]:
    """Puts them into the model; their figures: best_step and those of validation."""
    tensors = load_file(path)
    with torch.no_grad():
        for name, parameter in trained(model):
            parameter.copy_(tensors[name])
    return _figures(path)


def best_step(path: Path) -> int:
    """The step of the weights that are there, 0 where there are none."""
    return int(_figures(path)["best_step"]) if path.is_file() else 0


def _figures(path: Path) -> dict[str, Any]:
    with safe_open(path, "pt") as file:
        figures: dict[str, Any] = json.loads(file.metadata()["figures"])
    return figures
