"""What all families' maps are made of: rows of weight names, pairs of config fields, refusals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from fragua.errors import InputError
from fragua.models.config import Activation, Pooling, Stack, Task

ACTIVATIONS: dict[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "relu": "relu",
}
"""Their names of activation functions, and ours."""

POOLING = "fragua_pooling"
"""The field of a head that reads the mean of all states: transformers has none like it."""

FIXED: dict[str, Any] = {"quantization_config": None, "pruned_heads": {}, "add_cross_attention": False}
"""Fields of any family that change the result and are supported with this value alone."""


@dataclass(frozen=True)
class Row:
    """`ours` is `theirs` concatenated along the first dimension; `sizes` splits it again."""

    ours: str
    theirs: list[str]
    sizes: list[int] = field(default_factory=list)
    transposed: bool = False
    """Theirs is [in, out], or with `shape` [in, …out]."""
    shape: tuple[int, ...] | None = None
    """Of each of theirs, where it is ours only after reshaping."""


def linear(ours: str, theirs: str, bias: bool = True, **how: Any) -> list[Row]:
    """The weight, and where there is one the bias, of a layer."""
    rows = [Row(f"{ours}.weight", [f"{theirs}.weight"], **how)]
    return rows + ([Row(f"{ours}.bias", [f"{theirs}.bias"])] if bias else [])


def fused(ours: str, theirs: Collection[str], sizes: list[int], bias: bool) -> list[Row]:
    """The same of several layers that are one here."""
    kinds = ("weight", "bias") if bias else ("weight",)
    return [Row(f"{ours}.{kind}", [f"{name}.{kind}" for name in theirs], sizes) for kind in kinds]


def taken(config: Mapping[str, Any], pairs: Mapping[str, str], place: str, **defaults: Any) -> dict[str, Any]:
    """Our fields by their names in the config; `defaults` (by our name) where theirs is absent or null.

    Raises InputError for an absent field without a default."""
    values = {}
    for ours, theirs in pairs.items():
        value = config.get(theirs)
        if value is None:
            if ours not in defaults:
                raise InputError(f"no field '{theirs}'", place, "is it a model's config.json?")
            value = defaults[ours]
        values[ours] = value
    return values


def refuse(config: Mapping[str, Any], fixed: Mapping[str, Any], place: str) -> None:
    """Raises InputError for a field whose value changes the result and is not supported."""
    for key, value in (FIXED | dict(fixed)).items():
        if config.get(key) not in (None, value):
            raise InputError(f"{key} = {config[key]!r} is not supported", place, f"known: {value!r}")


def labels_to(stack: Stack) -> dict[str, Any]:
    """The fields of a head of labels; nothing for other heads."""
    if stack.task not in ("label", "tag"):
        return {}
    fields: dict[str, Any] = {
        "id2label": {str(label): name for label, name in enumerate(stack.label_names)},
        "label2id": {name: label for label, name in enumerate(stack.label_names)},
    }
    if stack.task == "label":
        fields["problem_type"] = "regression" if stack.labels == 1 else "single_label_classification"
    if stack.task == "label" and stack.pooling == "mean":
        fields[POOLING] = stack.pooling
    return fields


def labels_from(config: Mapping[str, Any], task: Task, pooling: Pooling, place: str) -> dict[str, Any]:
    """Task, names of labels and pooling; `pooling` is the family's own."""
    if task not in ("label", "tag"):
        return {"task": task}
    refuse(config, {POOLING: "mean"}, place)
    if config.get("problem_type") == "multi_label_classification":
        what = "problem_type = 'multi_label_classification' is not supported"
        raise InputError(what, place, "known: 'single_label_classification', 'regression'")
    names = config.get("id2label") or {}
    if names:
        told = tuple(str(names[key]) for key in sorted(names, key=int))
    else:
        told = tuple(f"LABEL_{label}" for label in range(config.get("num_labels") or 2))
    return {"task": task, "label_names": told, "pooling": config.get(POOLING) or pooling}


def task_of(config: Mapping[str, Any], names: Collection[str], heads: Mapping[Task, str]) -> Task:
    """What a decoder's head tells, by its tensors, or without a file by its architecture; `heads` names the tensors'
    modules. Where two heads have one name, that of tags has a bias."""
    architecture = (config.get("architectures") or [""])[0]
    if not names:
        endings: dict[str, Task] = {"SequenceClassification": "label", "TokenClassification": "tag"}
        return next((task for ending, task in endings.items() if architecture.endswith(ending)), "tokens")
    if f"{heads['tag']}.bias" in names:
        return "tag"
    return "label" if f"{heads['label']}.weight" in names else "tokens"


def activation(config: Mapping[str, Any], key: str, default: str, place: str) -> Activation:
    """Raises InputError for a function that is not known."""
    name = config.get(key) or default
    if name not in ACTIVATIONS:
        raise InputError(f"{key} = {name!r} is not supported", place, f"known: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
