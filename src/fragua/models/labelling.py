"""A head of labels on the body of any model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

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
    pooling: Literal["family", "mean"] = "family",
    pad_id: int | None = None,
    seed: int = 0,
) -> Model:
    """The same body, its parameters shared, under a head for these labels; a single one is a number to be told.

    A head that is there already for the same labels is kept. `pooling`: the mean of all states, or as the family has
    it. `pad_id` is noted where the config has none. Raises InputError for tags of an encoder-decoder."""
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
    kept = len(names) > 1 and (old.task, old.label_names, old.pooling) == (
        task,
        made.config.label_names,
        made.config.pooling,
    )
    wanted = made.state_dict(keep_vars=True)
    body = {
        name: tensor
        for name, tensor in model.state_dict(keep_vars=True).items()
        if name in wanted and (kept or not name.startswith(HEAD))
    }
    made.load_state_dict(wanted | body, assign=True)
    return made.to(model.device)


def learn_last(model: Model, blocks: int) -> None:
    """Freezes all but the head and the last so many blocks, with the norm behind them where there is one.

    Raises InputError where the model has no more blocks than that."""
    config = model.config
    if blocks >= config.layers:
        what = f"{blocks} of {config.layers} blocks leave none frozen"
        raise InputError(what, "--method", "take fewer, or the method full")
    learned = [*HEAD, *(["pooler."] if config.task == "label" else [])]
    learned += [f"transformer.blocks.{layer}." for layer in range(config.layers - blocks, config.layers)]
    learned += ["transformer.norm."] if blocks else []
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(tuple(learned)))


def _own(config: Stack) -> Pooling:
    return "cls" if config.family in ("bert", "roberta") else "last"
