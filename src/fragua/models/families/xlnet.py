"""The XLNet layout of Hugging Face: two streams, matrices stored [in, heads, head width]."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fragua.errors import InputError
from fragua.models.config import Stack, Task
from fragua.models.families.table import Row, activation, labels_from, labels_to, linear, refuse, taken

PREFIXES = ("transformer.",)
IGNORED = (r"lm_loss\.weight",)
FIXED: dict[str, Any] = {
    "attn_type": "bi",
    "bi_data": False,
    "same_length": False,
    "reuse_len": None,
    "untie_r": True,
    "tie_word_embeddings": True,
}
SUMMARY = {"summary_type": "last", "summary_use_proj": True, "summary_activation": "tanh"}
FIELDS = {
    "vocab_size": "vocab_size",
    "layers": "n_layer",
    "width": "d_model",
    "heads": "n_head",
    "head_width": "d_head",
    "ffn_width": "d_inner",
    "norm_eps": "layer_norm_eps",
    "pad_id": "pad_token_id",
}
ARCHITECTURES: dict[Task, str] = {
    "tokens": "XLNetLMHeadModel",
    "hidden": "XLNetModel",
    "label": "XLNetForSequenceClassification",
    "tag": "XLNetForTokenClassification",
}
BIASES = {"content_bias": "r_w_bias", "distance_bias": "r_r_bias", "segment_bias": "r_s_bias"}


def to_config(stack: Stack) -> dict[str, Any]:
    return {
        "architectures": [ARCHITECTURES[stack.task]],
        "model_type": "xlnet",
        **{theirs: getattr(stack, ours) for ours, theirs in FIELDS.items()},
        "ff_activation": stack.activation,
        "mem_len": stack.memory or None,
        "clamp_len": stack.relative_distance or -1,
        "dropout": 0.0,
        "attn_type": "bi",
        "untie_r": True,
        "tie_word_embeddings": True,
        "summary_type": "last",
        "summary_last_dropout": 0.0,
        "torch_dtype": "float32",
        **labels_to(stack),
    }


def from_config(config: dict[str, Any], place: str, names: Collection[str] = ()) -> Stack:
    refuse(config, FIXED, place)
    heads = config.get("n_head") or 1
    width = (config.get("d_model") or 0) // heads
    values = taken(config, FIELDS, place, head_width=width, norm_eps=1e-12, pad_id=5)
    architecture = (config.get("architectures") or [ARCHITECTURES["tokens"]])[0]
    if architecture not in ARCHITECTURES.values():
        known = ", ".join(ARCHITECTURES.values())
        raise InputError(f"architecture {architecture!r} is not supported", place, f"known: {known}")
    task = next(task for task, name in ARCHITECTURES.items() if name == architecture)
    if task == "label":
        refuse(config, SUMMARY, place)
    return Stack.parse(
        values
        | {
            "family": "xlnet",
            "context": config.get("max_position_embeddings") or 512,
            "kv_heads": heads,
            "ffn": "plain",
            "ffn_bias": True,
            "activation": activation(config, "ff_activation", "gelu", place),
            "norm": "layer",
            "norm_at": "post",
            "position": "relative_two_stream",
            "relative_distance": max(0, config.get("clamp_len") or 0),
            "memory": config.get("mem_len") or 0,
            "visible": "full",
            "qk_norm": False,
            **labels_from(config, task, "last", place),
        },
        place,
    )


def table(stack: Stack) -> list[Row]:
    prefix = "" if stack.task == "hidden" else PREFIXES[0]
    heads = (stack.heads, stack.head_width)
    matrix, sizes = (stack.width, *heads), [stack.heads * stack.head_width]
    rows = [
        Row("transformer.embedding.weight", [f"{prefix}word_embedding.weight"]),
        Row("transformer.position.query", [f"{prefix}mask_emb"], shape=(1, 1, stack.width)),
    ]
    for layer in range(stack.layers):
        ours, theirs = f"transformer.blocks.{layer}", f"{prefix}layer.{layer}"
        mine, relative = f"{ours}.attention", f"{theirs}.rel_attn"
        qkv = [f"{relative}.{part}" for part in "qkv"]
        rows += [
            Row(f"{mine}.qkv.weight", qkv, sizes * 3, transposed=True, shape=matrix),
            Row(f"{mine}.out.weight", [f"{relative}.o"], shape=matrix),
            Row(f"{mine}.distance.weight", [f"{relative}.r"], transposed=True, shape=matrix),
            Row(f"{mine}.segments", [f"{relative}.seg_embed"]),
            *(Row(f"{mine}.{name}", [f"{relative}.{other}"], shape=heads) for name, other in BIASES.items()),
            *linear(f"{ours}.attention_norm", f"{relative}.layer_norm"),
            *linear(f"{ours}.ffn.up", f"{theirs}.ff.layer_1"),
            *linear(f"{ours}.ffn.down", f"{theirs}.ff.layer_2"),
            *linear(f"{ours}.ffn_norm", f"{theirs}.ff.layer_norm"),
        ]
    if stack.has_inner:
        rows += linear("first.dense", "sequence_summary.summary")
    if stack.task in ("label", "tag"):
        return rows + linear("classifier", "logits_proj" if stack.task == "label" else "classifier")
    return rows if stack.task == "hidden" else [*rows, Row("head.bias", ["lm_loss.bias"])]
