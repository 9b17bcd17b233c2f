"""LoRA: low-rank changes beside frozen linear layers, in PEFT's file format (Hu et al. 2021, 2106.09685)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from fragua.errors import InputError
from fragua.files import atomic_write, read_json, write_json
from fragua.models.calls import Model
from fragua.models.families.table import Row, refuse
from fragua.models.io import FAMILIES
from fragua.models.linear import Int8Linear, Linear
from fragua.settings import Settings

CONFIG, WEIGHTS, PREFIX = "adapter_config.json", "adapter_model.safetensors", "base_model.model."
HEADS = ("head", "classifier", "next_sentence", "first.dense")
"""Not adapted: they are tied to the embedding, or learned whole."""
LABELS = ("classifier.", "first.")
"""How the names of a head of labels begin: it is learned whole, and stored whole beside the changes. A pooler below it
is of it."""
TASK_TYPES = {"label": "SEQ_CLS", "tag": "TOKEN_CLS", "hidden": "FEATURE_EXTRACTION"}
FIXED: dict[str, Any] = {
    "peft_type": "LORA",
    "bias": "none",
    "use_dora": False,
    "use_qalora": False,
    "lora_bias": False,
    "rank_pattern": {},
    "alpha_pattern": {},
    "layer_replication": None,
    "target_parameters": None,
    "trainable_token_indices": None,
    "alora_invocation_tokens": None,
    "arrow_config": None,
}
"""Fields of PEFT's config that change the result and are supported with this value alone."""


class Lora(Settings):
    """How large the changes are."""

    rank: int = Field(default=8, gt=0)
    alpha: float | None = Field(default=None, gt=0)
    """The changes are scaled by alpha / rank; None: twice the rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """The share of a layer's inputs that its change does not see, while it is trained."""
    rank_stabilised: bool = False
    """Scaled by alpha / √rank (Kalajdzievski 2023, 2312.03732)."""

    @property
    def scale(self) -> float:
        return self.strength / (self.rank**0.5 if self.rank_stabilised else self.rank)

    @property
    def strength(self) -> float:
        return 2 * self.rank if self.alpha is None else self.alpha


class Adapted(nn.Module):
    """base(x) + scale · B A x. A base of several fused layers has an A and a B for each."""

    def __init__(self, base: Linear | Int8Linear, sizes: list[int], lora: Lora):
        super().__init__()
        self.base, self.sizes, self.lora = base, sizes, lora
        self.out_features = base.out_features
        device = base.weight.device
        self.down_PRD = nn.Parameter(torch.zeros(len(sizes), lora.rank, base.in_features, device=device))
        self.up_OR = nn.Parameter(torch.zeros(base.out_features, lora.rank, device=device))
        self.dropout = nn.Dropout(lora.dropout) if lora.dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self._change(x, 0, self.out_features)

    def rows(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Outputs start to stop alone: whole parts."""
        return self.base.rows(x, start, stop) + self._change(x, start, stop)

    def _change(self, x: Tensor, start: int, stop: int) -> Tensor:
        ends = torch.tensor(self.sizes).cumsum(0).tolist()
        first, last = ([0, *ends].index(edge) for edge in (start, stop))
        low = F.linear(self.dropout(x), self.down_PRD[first:last].flatten(0, 1)).chunk(last - first, -1)
        ups = self.up_OR[start:stop].split(self.sizes[first:last])
        return self.lora.scale * torch.cat([F.linear(x, up) for x, up in zip(low, ups, strict=True)], -1)

    @torch.no_grad()
    def merged(self) -> Linear:
        """One layer that gives the same."""
        layer = Linear(self.base.in_features, self.out_features, self.base.bias is not None, device="meta")
        ups = zip(self.up_OR.split(self.sizes), self.down_PRD, strict=True)
        change_OD = torch.cat([up @ down for up, down in ups])
        layer.weight = nn.Parameter(self.base.weight + self.lora.scale * change_OD)
        if self.base.bias is not None:
            layer.bias = nn.Parameter(self.base.bias.detach())
        return layer


def adapt(model: Model, lora: Lora, seed: int = 0, int8: bool = False) -> None:
    """Freezes the model but a head of labels; puts a change, of no effect yet, beside every linear layer but the heads.

    A is uniform in ±1/√fan-in and B zero, as in PEFT. `int8`: the frozen layers take a quarter of the memory, and are
    what eight bits a weight can say."""
    generator = torch.Generator().manual_seed(seed)
    _freeze(model)
    for name, row in _adaptable(model).items():
        layer = _put(model, name, row, lora, int8)
        with torch.no_grad():
            noise = torch.rand(layer.down_PRD.shape, generator=generator)
            layer.down_PRD.copy_((2 * noise - 1) * layer.base.in_features**-0.5)


def merge(model: Model) -> None:
    """Adds every change to the layer that it stands beside; the model is as it was built, and trainable."""
    for name, layer in adapted(model).items():
        model.set_submodule(name, layer.merged())
    model.requires_grad_(True)


def adapted(model: Model) -> dict[str, Adapted]:
    """The layers with a change, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Adapted)}


def save_adapter(model: Model, directory: str | Path, base: str) -> None:
    """Writes `adapter_config.json` and `adapter_model.safetensors` as PEFT does; `base` is the model they belong to."""
    directory, layers, table = Path(directory), adapted(model), _adaptable(model)
    tensors: dict[str, Tensor] = {}
    for name, layer in layers.items():
        ups = layer.up_OR.detach().split(layer.sizes)
        for place, down, up in zip(_places(table[name]), layer.down_PRD.detach(), ups, strict=True):
            tensors[f"{PREFIX}{place}.lora_A.weight"] = down.float().cpu().clone()
            tensors[f"{PREFIX}{place}.lora_B.weight"] = up.float().cpu().clone()
    for row in _classifier(model):
        tensors[PREFIX + row.theirs[0]] = model.get_parameter(row.ours).detach().float().cpu().clone()
    lora = next(iter(layers.values())).lora
    # none for the others: PEFT 0.21's class for encoder-decoders asks transformers for what it has no more
    decodes = model.config.visible == "causal" and not model.config.encoder_layers
    config = {
        "peft_type": "LORA",
        "task_type": TASK_TYPES.get(model.config.task, "CAUSAL_LM" if decodes else None),
        "base_model_name_or_path": base,
        "r": lora.rank,
        "lora_alpha": lora.strength,
        "lora_dropout": lora.dropout,
        "use_rslora": lora.rank_stabilised,
        "target_modules": [place for name in layers for place in _places(table[name])],
        "fan_in_fan_out": any(table[name].transposed for name in layers),
        "bias": "none",
        "modules_to_save": _saved_whole(model),
        "init_lora_weights": True,
        "inference_mode": True,
    }
    with atomic_write(directory / WEIGHTS, "wb") as file:
        file.write(to_safetensors(tensors, {"format": "pt"}))
    write_json(directory / CONFIG, config)


def load_adapter(model: Model, directory: str | Path, int8: bool = False) -> None:
    """Puts the changes of a PEFT directory beside the layers of a model and freezes it, as `adapt` does.

    Raises InputError for a field that is not supported, and for a tensor that is missing, fits nowhere, has a wrong
    shape or is not finite."""
    directory = Path(directory)
    lora, tensors = _read(directory)
    _freeze(model)
    for name, row in _adaptable(model).items():
        keys = [[f"{PREFIX}{place}.lora_{side}.weight" for side in "AB"] for place in _places(row)]
        if not any(key in tensors for pair in keys for key in pair):
            continue
        layer = _put(model, name, row, lora, int8)
        parts = zip(keys, layer.down_PRD.detach(), layer.up_OR.detach().split(layer.sizes), strict=True)
        for pair, *targets in parts:
            if any(
                key in tensors for key in pair
            ):  # a fused layer without a change: zeros, and zero gradients
                for key, target in zip(pair, targets, strict=True):
                    _take(tensors, key, target, directory)
    for row in _classifier(model):
        if PREFIX + row.theirs[0] in tensors:
            _take(tensors, PREFIX + row.theirs[0], model.get_parameter(row.ours).detach(), directory)
    for key in sorted(tensors):
        raise InputError(
            f"tensor '{key}' fits no layer of the model", directory, "is it this model's adapter?"
        )


def _take(tensors: dict[str, Tensor], key: str, target: Tensor, place: Path) -> None:
    if key not in tensors:
        raise InputError(f"tensor '{key}' is missing", place)
    tensor = tensors.pop(key)
    if tensor.shape != target.shape:
        what = f"has shape {list(tensor.shape)}, the model wants {list(target.shape)}"
        raise InputError(f"tensor '{key}' {what}", place, "is it an adapter of this model?")
    if not tensor.isfinite().all():
        raise InputError(f"tensor '{key}' holds a value that is not finite", place)
    target.copy_(tensor)


def _read(directory: Path) -> tuple[Lora, dict[str, Tensor]]:
    path = directory / CONFIG
    if not path.is_file():
        raise InputError(f"no {CONFIG}", directory, "a PEFT adapter's directory is needed")
    config = read_json(path)
    if not isinstance(config, dict):
        raise InputError("a JSON object is needed", path)
    refuse(config, FIXED, str(path))
    if config.get("init_lora_weights") not in (None, True, False, "gaussian"):
        what = f"init_lora_weights = {config['init_lora_weights']!r} changes the base and is not supported"
        raise InputError(what, path, "convert it with PEFT first")
    values = {
        "rank": config.get("r"),
        "alpha": config.get("lora_alpha"),
        "dropout": config.get("lora_dropout") or 0.0,
        "rank_stabilised": config.get("use_rslora") or False,
    }
    file = directory / WEIGHTS
    if not file.is_file():
        raise InputError(f"no {WEIGHTS}", directory)
    try:
        return Lora.parse(values, path), load_file(file)
    except (SafetensorError, OSError) as error:
        what = f"cannot be read ({str(error).splitlines()[0]})"
        raise InputError(what, file, "the file is truncated, or not what its name says") from error


def _freeze(model: Model) -> None:
    model.requires_grad_(False)
    for row in _classifier(model):
        model.get_parameter(row.ours).requires_grad_(True)


def _classifier(model: Model) -> list[Row]:
    table = FAMILIES[model.config.family].table(model.config)
    begins = (*LABELS, "pooler.") if model.config.task == "label" else LABELS
    return [row for row in table if row.ours.startswith(begins)]


def _saved_whole(model: Model) -> list[str] | None:
    """PEFT's names of the modules of the head."""
    parts = [row.theirs[0].split(".") for row in _classifier(model)]
    return sorted({"pooler" if "pooler" in part else part[0] for part in parts}) or None


def _adaptable(model: Model) -> dict[str, Row]:
    """The row of weight names of every layer that can have a change."""
    table = FAMILIES[model.config.family].table(model.config)
    rows = {row.ours.removesuffix(".weight"): row for row in table}
    learned = {row.ours.removesuffix(".weight") for row in _classifier(model)}
    return {
        name: rows[name]
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Adapted)
        and name in rows
        and name not in HEADS
        and name not in learned
        and all(theirs.endswith(".weight") for theirs in rows[name].theirs)
    }


def _places(row: Row) -> list[str]:
    """How PEFT calls the layers of a row."""
    return [theirs.removesuffix(".weight") for theirs in row.theirs]


def _put(model: Model, name: str, row: Row, lora: Lora, int8: bool) -> Adapted:
    base = model.get_submodule(name)
    if not isinstance(base, nn.Linear):
        raise InputError("has changes already", "model", "merge them first")
    sizes = row.sizes or [base.out_features]
    layer = Adapted(Int8Linear(base) if int8 else base, sizes, lora)  # type: ignore[arg-type]
    model.set_submodule(name, layer)
    return layer
