"""The Llama, Mistral, Qwen2 and Qwen3 layouts of Hugging Face: config and weight names, there and back."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from fragua.errors import InputError
from fragua.models.config import RopeScaling, Stack, Task
from fragua.models.families.table import (
    Row,
    activation,
    fused,
    labels_from,
    labels_to,
    linear,
    refuse,
    taken,
    task_of,
)

NAMES = {"qwen3": "Qwen3", "qwen2": "Qwen2", "llama": "Llama", "mistral": "Mistral"}
ARCHITECTURES: dict[Task, str] = {
    "tokens": "ForCausalLM",
    "label": "ForSequenceClassification",
    "tag": "ForTokenClassification",
}
HEADS: dict[Task, str] = {"label": "score", "tag": "score"}
PREFIXES = ("model.",)
IGNORED = (r".*\.rotary_emb\.inv_freq",)
FIXED: dict[str, Any] = {"pretraining_tp": 1, "partial_rotary_factor": 1.0}

FIELDS = {
    "vocab_size": "vocab_size",
    "context": "max_position_embeddings",
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_width": "head_dim",
    "ffn_width": "intermediate_size",
    "norm_eps": "rms_norm_eps",
    "tied": "tie_word_embeddings",
}
ROPE_TYPES = ("default", "linear", "llama3", "yarn")
YARN = {"beta_fast": 32.0, "beta_slow": 1.0, "truncate": True}


def to_config(stack: Stack) -> dict[str, Any]:
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": stack.rope_theta}
    if stack.rope_scaling is not None:
        rope |= _rope_to(stack.rope_scaling)
    config = {
        "architectures": [NAMES[stack.family] + ARCHITECTURES[stack.task]],
        "model_type": stack.family,
        **{theirs: getattr(stack, ours) for ours, theirs in FIELDS.items()},
        "rope_parameters": rope,
        "rope_theta": stack.rope_theta,
        "attention_dropout": 0.0,
        "hidden_act": stack.activation,
        "pad_token_id": stack.pad_id,
        "torch_dtype": "float32",
        **labels_to(stack),
    }
    if stack.family in ("llama", "qwen3"):
        config["attention_bias"] = stack.attention_bias
    if stack.family == "llama":
        config["mlp_bias"] = stack.ffn_bias
    if stack.family == "mistral":
        config["sliding_window"] = stack.window
    elif stack.window is not None:
        config |= {
            "use_sliding_window": True,
            "sliding_window": stack.window,
            "max_window_layers": stack.window_from,
        }
    return config


def from_config(config: dict[str, Any], place: str, names: Collection[str] = ()) -> Stack:
    """Raises InputError for a field whose value would change the result and is not supported."""
    family = config["model_type"]
    fixed = FIXED | ({} if family == "llama" else {"mlp_bias": False})
    refuse(config, fixed, place)
    heads = config.get("num_attention_heads") or 1
    values = taken(
        config,
        FIELDS,
        place,
        context=2048,
        kv_heads=heads,
        head_width=(config.get("hidden_size") or 0) // heads,
        norm_eps=1e-6,
        tied=False,
    )
    bias = config.get("attention_bias", False)
    if bias and family not in ("llama", "qwen3"):
        raise InputError("attention_bias = True is not supported", place, f"{family} has none to choose")
    theta, scaling = _rope_from(config, place)
    window, window_from = _window(config, place)
    return Stack.parse(
        values
        | {
            "family": family,
            "activation": activation(config, "hidden_act", "silu", place),
            "ffn_bias": config.get("mlp_bias", False),
            "rope_theta": theta,
            "rope_scaling": scaling,
            "window": window,
            "window_from": window_from,
            "qk_norm": family == "qwen3",
            "attention_bias": family == "qwen2" or bias,
            "output_bias": bias,
            "pad_id": config.get("pad_token_id"),
            **labels_from(config, task_of(config, names, HEADS), "last", place),
        },
        place,
    )


def _rope_to(scaling: RopeScaling) -> dict[str, Any]:
    rope: dict[str, Any] = {"rope_type": scaling.kind, "factor": scaling.factor}
    if scaling.kind != "linear":
        rope["original_max_position_embeddings"] = scaling.original_context
    if scaling.kind == "llama3":
        rope |= {"low_freq_factor": scaling.low_frequency, "high_freq_factor": scaling.high_frequency}
    if scaling.kind == "yarn":
        rope |= {key: getattr(scaling, key) for key in YARN}
        rope["attention_factor"] = scaling.amplitude
    return {key: value for key, value in rope.items() if value is not None}


def _rope_from(config: dict[str, Any], place: str) -> tuple[float, RopeScaling | None]:
    """The base, and the stretching: `rope_parameters`, or as before transformers 5 `rope_scaling`."""
    rope = {**(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind not in ROPE_TYPES:
        raise InputError(f"rope_type = {kind!r} is not supported", place, f"known: {', '.join(ROPE_TYPES)}")
    refuse(rope, {"partial_rotary_factor": 1.0}, place)
    theta = rope.get("rope_theta") or config.get("rope_theta") or 10_000.0
    if kind == "default":
        return theta, None
    original = rope.get("original_max_position_embeddings") or config.get("max_position_embeddings")
    values = {"kind": kind, **taken(rope, {"factor": "factor"}, place)}
    if kind == "llama3":
        pairs = {"low_frequency": "low_freq_factor", "high_frequency": "high_freq_factor"}
        values |= taken(rope, pairs, place) | {"original_context": original}
    if kind == "yarn":
        values |= taken(rope, {key: key for key in YARN}, place, **YARN) | {"original_context": original}
        values["amplitude"] = rope.get("attention_factor") or _yarn_amplitude(rope)
    return theta, RopeScaling.parse(values, place)


def _yarn_amplitude(rope: dict[str, Any]) -> float | None:
    """The ratio that DeepSeek's `mscale` and `mscale_all_dim` give, where both are there."""
    most, each = rope.get("mscale"), rope.get("mscale_all_dim")
    if not most or not each or rope["factor"] <= 1:
        return None
    growth = 0.1 * math.log(rope["factor"])
    return (growth * most + 1) / (growth * each + 1)


def _window(config: dict[str, Any], place: str) -> tuple[int | None, int]:
    """The window, and the layer from which on it holds."""
    family, layers = config["model_type"], config.get("num_hidden_layers", 0)
    if family == "mistral":
        window, first = config.get("sliding_window", 4096), 0
    elif family == "llama" or not config.get("use_sliding_window", False):
        window, first = None, 0
    else:
        window, first = config.get("sliding_window", 4096), config.get("max_window_layers", 28)
    kinds = config.get("layer_types")
    narrow = [window is not None and layer >= first for layer in range(layers)]
    wanted = ["sliding_attention" if each else "full_attention" for each in narrow]
    if kinds is not None and kinds != wanted:
        raise InputError(f"layer_types = {kinds} is not supported", place, f"known: {wanted}")
    return window, first


def table(stack: Stack) -> list[Row]:
    """Our parameter, and the tensors of theirs that stand in it one below the other."""
    query, key = stack.heads * stack.head_width, stack.kv_heads * stack.head_width
    rows = [Row("transformer.embedding.weight", ["model.embed_tokens.weight"])]
    for layer in range(stack.layers):
        ours, theirs = f"transformer.blocks.{layer}", f"model.layers.{layer}"
        parts = [f"{theirs}.self_attn.{part}_proj" for part in "qkv"]
        rows += fused(f"{ours}.attention.qkv", parts, [query, key, key], stack.attention_bias)
        rows += linear(f"{ours}.attention.out", f"{theirs}.self_attn.o_proj", stack.output_bias)
        if stack.qk_norm:
            for part in "qk":
                rows += linear(f"{ours}.attention.{part}_norm", f"{theirs}.self_attn.{part}_norm", False)
        parts = [f"{theirs}.mlp.{part}_proj" for part in ("gate", "up")]
        rows += fused(f"{ours}.ffn.gate_up", parts, [stack.ffn_width] * 2, stack.ffn_bias)
        rows += linear(f"{ours}.ffn.down", f"{theirs}.mlp.down_proj", stack.ffn_bias)
        rows += linear(f"{ours}.attention_norm", f"{theirs}.input_layernorm", False)
        rows += linear(f"{ours}.ffn_norm", f"{theirs}.post_attention_layernorm", False)
    rows.append(Row("transformer.norm.weight", ["model.norm.weight"]))
    if stack.task in HEADS:
        return rows + linear("classifier", HEADS[stack.task], stack.label_bias)
    if not stack.tied:
        rows.append(Row("head.weight", ["lm_head.weight"]))
    return rows
