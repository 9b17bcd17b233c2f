"""The T5 and mT5 layouts of Hugging Face: an encoder, a decoder that reads it, biases by distance."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from fragua.errors import InputError
from fragua.models.config import Activation, Stack, Task
from fragua.models.families.table import (
    ACTIVATIONS,
    Row,
    fused,
    labels_from,
    labels_to,
    linear,
    refuse,
    taken,
)

NAMES = {"t5": "T5", "mt5": "MT5"}
ARCHITECTURES: dict[Task, str] = {
    "tokens": "ForConditionalGeneration",
    "label": "ForSequenceClassification",
}
HEAD = "classification_head"
PREFIXES = ()
IGNORED = (
    r"(transformer\.)?(encoder|decoder)\.embed_tokens\.weight",
    r"(transformer\.)?decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight",
)
FIXED: dict[str, Any] = {"is_encoder_decoder": True, "is_decoder": False}
FIELDS = {
    "vocab_size": "vocab_size",
    "context": "n_positions",
    "layers": "num_decoder_layers",
    "encoder_layers": "num_layers",
    "width": "d_model",
    "heads": "num_heads",
    "head_width": "d_kv",
    "ffn_width": "d_ff",
    "norm_eps": "layer_norm_epsilon",
    "relative_buckets": "relative_attention_num_buckets",
    "relative_distance": "relative_attention_max_distance",
    "pad_id": "pad_token_id",
}
GATED_GELU = "gated-gelu"
"""T5 1.1's name for a gate of gelu's approximation by tanh."""


def to_config(stack: Stack) -> dict[str, Any]:
    plain = stack.activation if stack.ffn == "plain" else f"gated-{stack.activation}"
    config = {
        "architectures": [NAMES[stack.family] + ARCHITECTURES[stack.task]],
        "model_type": stack.family,
        **{theirs: getattr(stack, ours) for ours, theirs in FIELDS.items()},
        "feed_forward_proj": GATED_GELU if plain == "gated-gelu_new" else plain,
        "dropout_rate": 0.0,
        "is_encoder_decoder": True,
        "decoder_start_token_id": stack.pad_id,
        "tie_word_embeddings": stack.tied,
        "torch_dtype": "float32",
        **labels_to(stack),
    }
    if stack.family == "t5":
        config["scale_decoder_outputs"] = stack.output_scale != 1.0
    return config


def from_config(config: dict[str, Any], place: str, names: Collection[str] = ()) -> Stack:
    """Untied where the file has an output matrix of its own, whatever the config says."""
    refuse(config, FIXED, place)
    values = taken(
        config,
        FIELDS,
        place,
        context=512,
        layers=config.get("num_layers"),
        norm_eps=1e-6,
        relative_buckets=32,
        relative_distance=128,
        pad_id=0,
    )
    architecture = (config.get("architectures") or [""])[0]
    labels = any(name.startswith(f"{HEAD}.") for name in names) or (
        not names and ARCHITECTURES["label"] in architecture
    )
    said_tied = config.get("tie_word_embeddings") is not False
    scaled = config.get("scale_decoder_outputs", said_tied) and config["model_type"] == "t5"
    ffn, activation = _feed_forward(config, place)
    return Stack.parse(
        values
        | {
            "family": config["model_type"],
            "kv_heads": values["heads"],
            "ffn": ffn,
            "activation": activation,
            "position": "relative_bias",
            "qk_norm": False,
            "scale": 1.0,
            "output_scale": values["width"] ** -0.5 if scaled else 1.0,
            "tied": "lm_head.weight" not in names if names else said_tied,
            **labels_from(config, "label" if labels else "tokens", "last", place),
        },
        place,
    )


def _feed_forward(config: dict[str, Any], place: str) -> tuple[str, Activation]:
    said = config.get("feed_forward_proj") or ("relu" if config["model_type"] == "t5" else GATED_GELU)
    name = "gated-gelu_new" if said == GATED_GELU else said
    gate, _, function = name.rpartition("-")
    if gate not in ("", "gated") or function not in ACTIVATIONS:
        raise InputError(
            f"feed_forward_proj = {said!r} is not supported", place, "known: relu, gated-gelu, …"
        )
    return ("gated" if gate else "plain"), ACTIVATIONS[function]


def table(stack: Stack) -> list[Row]:
    rows = [Row("transformer.embedding.weight", ["shared.weight"])]
    for ours, theirs, layers in (
        ("encoder", "encoder", stack.encoder_layers),
        ("transformer", "decoder", stack.layers),
    ):
        first = f"{theirs}.block.0.layer.0.SelfAttention.relative_attention_bias"
        rows += linear(f"{ours}.position.table", first, False)
        for layer in range(layers):
            rows += _block(stack, f"{ours}.blocks.{layer}", f"{theirs}.block.{layer}.layer")
        rows += linear(f"{ours}.norm", f"{theirs}.final_layer_norm", False)
    if stack.task == "label":
        rows = [replace(row, theirs=[f"transformer.{name}" for name in row.theirs]) for row in rows]
        rows += linear("first.dense", f"{HEAD}.dense") if stack.has_inner else []
        return rows + linear("classifier", f"{HEAD}.out_proj")
    return rows if stack.tied else [*rows, Row("head.weight", ["lm_head.weight"])]


def _block(stack: Stack, ours: str, theirs: str) -> list[Row]:
    parts = [("attention", "SelfAttention")]
    if theirs.startswith("decoder"):
        parts.append(("cross", "EncDecAttention"))
    rows = []
    for number, (mine, name) in enumerate(parts):
        sources = [f"{theirs}.{number}.{name}.{part}" for part in "qkv"]
        rows += fused(f"{ours}.{mine}.qkv", sources, [stack.heads * stack.head_width] * 3, False)
        rows += linear(f"{ours}.{mine}.out", f"{theirs}.{number}.{name}.o", False)
        rows += linear(f"{ours}.{mine}_norm", f"{theirs}.{number}.layer_norm", False)
    dense = f"{theirs}.{len(parts)}.DenseReluDense"
    if stack.ffn == "gated":
        rows += fused(f"{ours}.ffn.gate_up", [f"{dense}.wi_0", f"{dense}.wi_1"], [stack.ffn_width] * 2, False)
    else:
        rows += linear(f"{ours}.ffn.up", f"{dense}.wi", False)
    rows += linear(f"{ours}.ffn.down", f"{dense}.wo", False)
    return rows + linear(f"{ours}.ffn_norm", f"{theirs}.{len(parts)}.layer_norm", False)
