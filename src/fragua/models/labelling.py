"""A head of labels on the body of any model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from fragua.errors import InputError
from fragua.models.build import build
from fragua.models.calls import Model
from fragua.models.config import Pooling, Stack

HEAD = ("classifier.", "first.")
SMALL = 0.02


def with_head(
    model: Model,
    task: Literal["label", "tag"],
    names: Sequence[str],
    *,
    pooling: Pooling | None = None,
    pad_id: int | None = None,
    seed: int = 0,
) -> Model:
    """The same body, its parameters shared, under a head for these labels; a single one is a number to be told.

    A head that is there already for the same labels is kept. `pooling`: mean, or None for what the family has.
    `pad_id` is noted where the config has none. Raises InputError for tags of an encoder-decoder."""
    old = model.config
    if task == "tag" and old.encoder_layers:
        raise InputError(f"{old.family} tags no words", "--task", "take an encoder or a decoder")
    values = old.model_dump() | {
        "task": task,
        "label_names": tuple(names),
        "pooling": "mean" if pooling == "mean" else _own(old),
        "pad_id": pad_id if old.pad_id is None else old.pad_id,
    }
    values["pooler"] = old.family == "bert" and task == "label" and values["pooling"] != "mean"
    made = build(Stack.parse(values, "model"))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.startswith((*HEAD, "pooler.")):
                deviation = SMALL if name.startswith("classifier.") else parameter.shape[-1] ** -0.5
                noise = torch.randn(parameter.shape, generator=generator) * deviation
                parameter.copy_(noise if parameter.ndim == 2 else torch.zeros_like(parameter))
    kept = (old.task, old.label_names, old.pooling) == (task, made.config.label_names, made.config.pooling)
    wanted = made.state_dict(keep_vars=True)
    body = {
        name: tensor
        for name, tensor in model.state_dict(keep_vars=True).items()
        if name in wanted and (kept or not name.startswith(HEAD))
    }
    made.load_state_dict(wanted | body, assign=True)
    return made.to(model.device)


def head_parameters(model: Model) -> list[nn.Parameter]:
    """What is learned where the body stands still."""
    own = (*HEAD, "pooler.") if model.config.task == "label" else HEAD
    return [parameter for name, parameter in model.named_parameters() if name.startswith(own)]


def _own(config: Stack) -> Pooling:
    return "cls" if config.family in ("bert", "roberta") else "last"
