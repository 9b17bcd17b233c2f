"""Model directories in and out: Hugging Face's layout, one file of safetensors or shards, memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from fragua.errors import InputError
from fragua.files import atomic_write, read_json, write_json
from fragua.models.calls import Decoder
from fragua.models.config import Stack
from fragua.models.families import llama
from fragua.models.families.table import Row
from fragua.models.positions import Rope

FAMILIES = {"llama": llama, "qwen3": llama}


def save_model(
    model: Decoder,
    directory: str | Path,
    *,
    generation: dict[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Writes `config.json`, `generation_config.json` and, last, `model.safetensors`, each whole or not."""
    directory = Path(directory)
    tensors = {name: tensor.to(dtype).clone() for name, tensor in their_tensors(model)}
    ends = {
        key: value
        for key, value in (generation or {}).items()
        if key.endswith("_token_id") and value is not None
    }
    config = (
        FAMILIES[model.config.family].to_config(model.config)
        | ends
        | {"torch_dtype": str(dtype).removeprefix("torch.")}
    )
    if isinstance(config.get("eos_token_id"), list):
        config["eos_token_id"] = config["eos_token_id"][0]
    write_json(directory / "config.json", config)
    write_json(directory / "generation_config.json", generation or {})
    with atomic_write(directory / "model.safetensors", "wb") as file:
        file.write(to_safetensors(tensors, {"format": "pt"}))


def their_tensors(model: Decoder) -> Iterator[tuple[str, Tensor]]:
    """The weights by Hugging Face's names."""
    state = model.state_dict()
    for row in FAMILIES[model.config.family].table(model.config):
        tensor = state[row.ours].detach().cpu()
        yield from zip(row.theirs, tensor.split(row.sizes) if row.sizes else [tensor], strict=True)


def check_finite(model: Decoder, place: str | Path) -> None:
    """Raises InputError by the name of a tensor that holds NaN or infinity."""
    for name, tensor in their_tensors(model):
        if not tensor.isfinite().all():
            raise InputError(f"tensor '{name}' holds values that are not numbers", place, "train it again")


def read_config(directory: str | Path) -> Stack:
    """The choices that `config.json` makes. Raises InputError for an unknown family or an unsupported field."""
    path = Path(directory) / "config.json"
    if not path.is_file():
        raise InputError("no config.json", directory, "a model directory is needed")
    config = read_json(path)
    name = config.get("model_type")
    if name not in FAMILIES:
        raise InputError(f"unknown model_type {name!r}", path, f"known: {', '.join(FAMILIES)}")
    return FAMILIES[name].from_config(config, str(path))


def load_model(directory: str | Path) -> Decoder:
    """The model of a directory, float32, in evaluation mode.

    Raises InputError naming a missing, wrongly shaped or left-over tensor, an unknown family or field."""
    stack = read_config(directory)
    with torch.device("meta"):
        model = Decoder(stack)
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    state = read_weights(Path(directory), FAMILIES[stack.family].table(stack), shapes)
    if stack.tied:
        # one Parameter: two of one memory would be trained twice
        shared = torch.nn.Parameter(state["transformer.embedding.weight"])
        state["head.weight"] = state["transformer.embedding.weight"] = shared
    model.load_state_dict(state, assign=True)
    model.transformer.rope = Rope(stack.head_width, stack.rope_theta)  # its table is computed, not stored
    return model.eval()


def read_weights(directory: Path, table: list[Row], shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """Our state from their files, each tensor read once. Raises InputError by the tensor's name."""
    files = weight_files(directory)
    theirs = {name for row in table for name in row.theirs}
    where: dict[str, Any] = {}
    for path in files:
        try:
            opened = safe_open(path, framework="pt")
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"cannot be read ({error})", path, "the file is truncated or not safetensors"
            ) from error
        where |= dict.fromkeys(opened.keys(), opened)
    for name in sorted(theirs - where.keys()):
        raise InputError(f"tensor '{name}' is missing", directory)
    for name in sorted(where.keys() - theirs - {"lm_head.weight"}):
        raise InputError(f"tensor '{name}' is left over", directory)
    state = {}
    for row in table:
        parts = [where[name].get_tensor(name).float() for name in row.theirs]
        tensor = parts[0] if len(parts) == 1 else torch.cat(parts)
        if tensor.shape != shapes[row.ours]:
            found, wanted = list(tensor.shape), list(shapes[row.ours])
            raise InputError(
                f"tensor '{row.theirs[0]}' has shape {found}, the config wants {wanted}", directory
            )
        state[row.ours] = tensor
    return state


def weight_files(directory: Path) -> list[Path]:
    """`model.safetensors`, or the shards that the index names."""
    index = directory / "model.safetensors.index.json"
    if (directory / "model.safetensors").is_file():
        return [directory / "model.safetensors"]
    if not index.is_file():
        raise InputError("no model.safetensors", directory, "is the run unfinished? the same command goes on")
    files = [directory / name for name in sorted(set(read_json(index)["weight_map"].values()))]
    for file in files:
        if not file.is_file():
            raise InputError("a shard that the index names is missing", file)
    return files
