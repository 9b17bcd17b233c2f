"""Model directories in and out: Hugging Face's layout, one file of safetensors or shards, memory-mapped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor

from fragua.errors import InputError
from fragua.files import atomic_write, read_json, write_json
from fragua.models.build import build
from fragua.models.calls import Decoder, Model
from fragua.models.config import Stack
from fragua.models.families import bert, gpt2, llama, t5, xlnet
from fragua.models.linear import FrozenLinear
from fragua.models.weights import WeightFiles, their_layout

FAMILIES: dict[str, ModuleType] = {
    "bert": bert,
    "gpt2": gpt2,
    "llama": llama,
    "mistral": llama,
    "mt5": t5,
    "qwen2": llama,
    "qwen3": llama,
    "roberta": bert,
    "t5": t5,
    "xlnet": xlnet,
}


def save_model(
    model: Model,
    directory: str | Path,
    *,
    generation: dict[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Writes `config.json`, `generation_config.json` and, last, `model.safetensors`, each whole or not.

    Raises InputError for weights that were rounded."""
    directory = Path(directory)
    if model.config.encoder_layers:
        generation = {**(generation or {}), "decoder_start_token_id": model.config.pad_id}
    if any(isinstance(module, FrozenLinear) for module in model.modules()):
        what = "rounded weights are not saved"
        raise InputError(what, directory, "load the model without weights=…, or `fragua export` it")
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


def their_tensors(model: Model) -> Iterator[tuple[str, Tensor]]:
    """The weights by Hugging Face's names, float32."""
    state = model.state_dict()
    for row in FAMILIES[model.config.family].table(model.config):
        parts = their_layout(row, state[row.ours].detach().float().cpu())
        yield from zip(row.theirs, parts, strict=True)


def check_finite(model: Model, place: str | Path) -> None:
    """Raises InputError by the name of a tensor that holds NaN or infinity."""
    for name, tensor in their_tensors(model):
        if not tensor.isfinite().all():
            raise InputError(f"tensor '{name}' holds values that are not numbers", place, "train it again")


def read_config(directory: str | Path, names: Collection[str] = ()) -> Stack:
    """The choices that `config.json` makes, and where `names` of tensors are given, those that they tell.

    Raises InputError for an unknown family or an unsupported field."""
    path = Path(directory) / "config.json"
    if not path.is_file():
        raise InputError("no config.json", directory, "a model directory is needed")
    config = read_json(path)
    if not isinstance(config, dict):
        raise InputError("a JSON object is needed", path)
    name = config.get("model_type")
    if name not in FAMILIES:
        raise InputError(f"unknown model_type {name!r}", path, f"known: {', '.join(FAMILIES)}")
    return FAMILIES[name].from_config(config, str(path), names)


def load(directory: str | Path) -> Model:
    """The model of a directory, of any family, float32, in evaluation mode.

    Raises InputError naming a missing, wrongly shaped or left-over tensor, an unknown family or field."""
    read_config(directory)  # a wrong config is told before the weights are looked for
    files = WeightFiles(Path(directory))
    stack = read_config(directory, files.names)
    family = FAMILIES[stack.family]
    with torch.device("meta"):
        model = build(stack)
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    ignored = (*family.IGNORED, r"lm_head\.weight") if stack.tied else family.IGNORED
    state = files.state(family.table(stack), shapes, family.PREFIXES, ignored)
    for names in _shared(model):
        # one Parameter: two of one memory would be trained twice
        parameter = torch.nn.Parameter(next(state[name] for name in names if name in state))
        state |= dict.fromkeys(names, parameter)
    model.load_state_dict(state, assign=True)
    return model.eval()


def load_model(directory: str | Path) -> Decoder:
    """`load`, for those who need a causal language model. Raises InputError where it is another kind."""
    model = load(directory)
    if not isinstance(model, Decoder) or model.config.task != "tokens":
        what = f"{model.config.family} does not continue a text"
        raise InputError(what, directory, "a GPT-2, Llama, Mistral or Qwen directory is needed")
    return model


def _shared(model: Model) -> list[list[str]]:
    """The names of each parameter that has several."""
    names = defaultdict(list)
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names[id(parameter)].append(name)
    return [each for each in names.values() if len(each) > 1]
