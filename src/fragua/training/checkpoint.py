"""Checkpoints: whole or absent, verified when read, the last two kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fragua.errors import FraguaError, RunError
from fragua.files import digest_file, full_disk_is_clear, read_json, write_json
from fragua.progress import console

KEPT = 2
PREFIX = "step-"


def save_checkpoint(folder: Path, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> Path:
    """Writes `folder/step-N/{tensors.safetensors, state.json}` under a temporary name, syncs, renames; prunes old ones.

    Raises RunError where the disk is full; the checkpoints before stay."""
    final, temporary = folder / f"{PREFIX}{step:08d}", folder / f".{PREFIX}{step:08d}"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with full_disk_is_clear(final):
            temporary.mkdir(parents=True)
            file = temporary / "tensors.safetensors"
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
            _sync(file)
            write_json(temporary / "state.json", state | {"step": step, "tensors_digest": digest_file(file)})
            shutil.rmtree(final, ignore_errors=True)
            temporary.replace(final)
            _sync(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in sorted(folder.glob(f"{PREFIX}*"))[:-KEPT]:
        shutil.rmtree(old)
    return final


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest checkpoint whose digest holds, or None. A broken one is named and the one before it used."""
    for path in sorted(folder.glob(f"{PREFIX}*"), reverse=True):
        try:
            state = read_json(path / "state.json")
            if digest_file(path / "tensors.safetensors") != state["tensors_digest"]:
                raise RunError("its digest does not hold", path)
            return load_file(path / "tensors.safetensors"), state
        except (FraguaError, OSError, KeyError) as error:
            console.print(f"checkpoint passed over: {error}", style="yellow", highlight=False)
    return None


def _sync(path: Path) -> None:
    """Flushes a file, or a folder's names where the system can."""
    if path.is_dir() and os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def trained(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters that are not frozen."""
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def tensors_of(model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """All tensors that training changes, by name; tied parameters once."""
    tensors = {f"model/{name}": parameter.detach() for name, parameter in trained(model)}
    for number, optimizer in enumerate(optimizers):
        for name, tensor in _flat(optimizer.state_dict()["state"]):
            tensors[f"optimizer{number}/{name}"] = tensor
    return tensors


def restore_tensors(
    model: nn.Module, optimizers: list[torch.optim.Optimizer], tensors: dict[str, Tensor]
) -> None:
    """Puts the tensors back where `tensors_of` took them from."""
    with torch.no_grad():
        for name, parameter in trained(model):
            parameter.copy_(tensors[f"model/{name}"])
    for number, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            owner, _, rest = name.partition("/")
            if owner == f"optimizer{number}":
                parameter_number, _, key = rest.partition("/")
                state.setdefault(int(parameter_number), {})[key] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def _flat(state: dict[int, dict[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    for number, values in state.items():
        for key, tensor in values.items():
            yield f"{number}/{key}", tensor
