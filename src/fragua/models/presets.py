"""The stack that a family's name and a depth stand for."""

from __future__ import annotations

from typing import Any, Literal, get_args

from fragua.errors import InputError
from fragua.models.config import Stack, decoder_config

Trained = Literal["qwen3", "llama", "gpt2", "bert", "roberta", "t5", "xlnet"]
"""Families that are trained from scratch here."""
BIASED = dict.fromkeys(("ffn_bias", "attention_bias", "output_bias"), True)
CENTRED = {"ffn": "plain", "norm": "layer", "position": "learned", "norm_eps": 1e-5, **BIASED}
ENCODER = {
    **CENTRED,
    "activation": "gelu",
    "norm_at": "post",
    "visible": "full",
    "norm_eps": 1e-12,
    "tied": True,
}
CHOICES: dict[str, dict[str, Any]] = {
    "llama": {},
    "gpt2": {**CENTRED, "activation": "gelu_new"},
    "bert": {**ENCODER, "token_types": 2, "pooler": True, "task": "pretraining"},
    "roberta": {**ENCODER, "token_types": 1},
    "t5": {"ffn": "plain", "activation": "relu", "position": "relative_bias", "scale": 1.0},
    "xlnet": {
        **ENCODER,
        "position": "relative_two_stream",
        "relative_distance": 0,
        **dict.fromkeys(("attention_bias", "output_bias"), False),
    },
}


def preset(
    family: str,
    depth: int,
    vocab_size: int,
    context: int,
    *,
    pad_id: int,
    width: int | None = None,
    heads: int | None = None,
    tied: bool = True,
) -> Stack:
    """Width and heads as `decoder_config` has them; a plain feed-forward is four times as wide. T5 has `depth` layers
    on either side. Raises InputError for an unknown family, or an untied one that has no such layout."""
    if family not in get_args(Trained):
        raise InputError(f"unknown family '{family}'", "pretrain", f"known: {', '.join(get_args(Trained))}")
    plain = decoder_config(depth, vocab_size, context, width=width, heads=heads, tied=tied)
    if family == "qwen3":
        return plain
    if plain.width % plain.heads:
        what = f"a width of {plain.width} cannot be parted among {plain.heads} heads"
        raise InputError(what, "pretrain", "choose a multiple")
    choices = CHOICES[family]
    if choices.get("tied") and not tied:
        raise InputError(f"{family} is always tied", "tied", "leave it true")
    values = plain.model_dump() | {"family": family, "qk_norm": False, **choices}
    values["head_width"] = plain.width // plain.heads
    if family not in ("llama", "gpt2"):
        values["pad_id"] = pad_id
    if values["ffn"] == "plain":
        values["ffn_width"] = 4 * plain.width
    if family == "roberta":
        values["position_offset"] = pad_id + 1
    if family == "t5":
        values["encoder_layers"] = depth
        values["output_scale"] = plain.width**-0.5 if tied else 1.0
    return Stack.parse(values, "model")
