"""The Llama and Qwen3 layouts of Hugging Face: config and weight names, there and back."""

from __future__ import annotations

from typing import Any

from fragua.errors import InputError
from fragua.models.config import Stack
from fragua.models.families.table import Row

ARCHITECTURES = {"qwen3": "Qwen3ForCausalLM", "llama": "LlamaForCausalLM"}

FIXED: dict[str, Any] = {
    "hidden_act": "silu",
    "mlp_bias": False,
    "attention_dropout": 0.0,
    "use_sliding_window": False,
    "rope_scaling": None,
    "pretraining_tp": 1,
}
"""Fields that change the result and are supported with this value alone."""


def to_config(stack: Stack) -> dict[str, Any]:
    return {
        "architectures": [ARCHITECTURES[stack.family]],
        "model_type": stack.family,
        "vocab_size": stack.vocab_size,
        "hidden_size": stack.width,
        "intermediate_size": stack.ffn_width,
        "num_hidden_layers": stack.layers,
        "num_attention_heads": stack.heads,
        "num_key_value_heads": stack.kv_heads,
        "head_dim": stack.head_width,
        "max_position_embeddings": stack.context,
        "rms_norm_eps": stack.norm_eps,
        "rope_parameters": {"rope_type": "default", "rope_theta": stack.rope_theta},
        "rope_theta": stack.rope_theta,
        "attention_bias": stack.attention_bias,
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "tie_word_embeddings": stack.tied,
        "torch_dtype": "float32",
    }


def from_config(config: dict[str, Any], place: str) -> Stack:
    """Raises InputError for a field whose value would change the result and is not supported."""
    for key, value in FIXED.items():
        if config.get(key, value) != value:
            raise InputError(f"{key} = {config[key]!r} is not supported", place, f"known: {value!r}")
    rope = config.get("rope_parameters") or {}
    if rope.get("rope_type", "default") != "default":
        raise InputError(f"rope_type = {rope['rope_type']!r} is not supported", place, "known: 'default'")
    try:
        heads = config["num_attention_heads"]
        head_width = config.get("head_dim") or config["hidden_size"] // heads
        values = {
            "family": config["model_type"],
            "vocab_size": config["vocab_size"],
            "context": config.get("max_position_embeddings", 2048),
            "layers": config["num_hidden_layers"],
            "width": config["hidden_size"],
            "heads": heads,
            "kv_heads": config.get("num_key_value_heads") or heads,
            "head_width": head_width,
            "ffn_width": config["intermediate_size"],
            "norm_eps": config.get("rms_norm_eps", 1e-6),
            "rope_theta": rope.get("rope_theta") or config.get("rope_theta", 10_000.0),
            "qk_norm": config["model_type"] == "qwen3",
            "attention_bias": config.get("attention_bias", False),
            "tied": config.get("tie_word_embeddings", False),
        }
    except KeyError as error:
        raise InputError(f"no field {error}", place, "is it a model's config.json?") from error
    return Stack.parse(values, place)


def table(stack: Stack) -> list[Row]:
    """Our parameter, and the tensors of theirs that stand in it one below the other."""
    query, key = stack.heads * stack.head_width, stack.kv_heads * stack.head_width
    rows = [Row("transformer.embedding.weight", ["model.embed_tokens.weight"])]
    for layer in range(stack.layers):
        ours, theirs = f"transformer.blocks.{layer}", f"model.layers.{layer}"
        for kind in ("weight", "bias") if stack.attention_bias else ("weight",):
            parts = [f"{theirs}.self_attn.{part}_proj.{kind}" for part in "qkv"]
            rows.append(Row(f"{ours}.attention.qkv.{kind}", parts, [query, key, key]))
            rows.append(Row(f"{ours}.attention.out.{kind}", [f"{theirs}.self_attn.o_proj.{kind}"]))
        if stack.qk_norm:
            rows += [
                Row(f"{ours}.attention.{part}_norm.weight", [f"{theirs}.self_attn.{part}_norm.weight"])
                for part in "qk"
            ]
        gate_up = [f"{theirs}.mlp.gate_proj.weight", f"{theirs}.mlp.up_proj.weight"]
        rows += [
            Row(f"{ours}.ffn.gate_up.weight", gate_up, [stack.ffn_width, stack.ffn_width]),
            Row(f"{ours}.ffn.down.weight", [f"{theirs}.mlp.down_proj.weight"]),
            Row(f"{ours}.attention_norm.weight", [f"{theirs}.input_layernorm.weight"]),
            Row(f"{ours}.ffn_norm.weight", [f"{theirs}.post_attention_layernorm.weight"]),
        ]
    rows.append(Row("transformer.norm.weight", ["model.norm.weight"]))
    if not stack.tied:
        rows.append(Row("head.weight", ["lm_head.weight"]))
    return rows
