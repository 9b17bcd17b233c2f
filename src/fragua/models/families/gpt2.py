"""The GPT-2 layout of Hugging Face: learned positions, norms with centring, matrices stored [in, out]."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fragua.models.config import Stack, Task
from fragua.models.families.table import (
    Row,
    activation,
    labels_from,
    labels_to,
    linear,
    refuse,
    taken,
    task_of,
)

PREFIXES = ("transformer.",)
IGNORED = (r".*\.attn\.(bias|masked_bias)",)
ARCHITECTURES: dict[Task, str] = {
    "tokens": "GPT2LMHeadModel",
    "label": "GPT2ForSequenceClassification",
    "tag": "GPT2ForTokenClassification",
}
HEADS: dict[Task, str] = {"label": "score", "tag": "classifier"}
FIXED: dict[str, Any] = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
}
FIELDS = {
    "vocab_size": "vocab_size",
    "context": "n_positions",
    "layers": "n_layer",
    "width": "n_embd",
    "heads": "n_head",
    "ffn_width": "n_inner",
    "norm_eps": "layer_norm_epsilon",
    "tied": "tie_word_embeddings",
}


def to_config(stack: Stack) -> dict[str, Any]:
    return {
        "architectures": [ARCHITECTURES[stack.task]],
        "model_type": "gpt2",
        **{theirs: getattr(stack, ours) for ours, theirs in FIELDS.items()},
        "activation_function": stack.activation,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "pad_token_id": stack.pad_id,
        "torch_dtype": "float32",
        **labels_to(stack),
    }


def from_config(config: dict[str, Any], place: str, names: Collection[str] = ()) -> Stack:
    refuse(config, FIXED, place)
    defaults = {"context": 1024, "ffn_width": 4 * (config.get("n_embd") or 0), "norm_eps": 1e-5, "tied": True}
    values = taken(config, FIELDS, place, **defaults)
    heads = max(1, values["heads"])
    return Stack.parse(
        values
        | {
            "family": "gpt2",
            "kv_heads": heads,
            "head_width": values["width"] // heads,
            "ffn": "plain",
            "activation": activation(config, "activation_function", "gelu_new", place),
            "norm": "layer",
            "position": "learned",
            "qk_norm": False,
            "pad_id": config.get("pad_token_id"),
            **labels_from(config, task_of(config, names, HEADS), "last", place),
            **dict.fromkeys(("ffn_bias", "attention_bias", "output_bias"), True),
        },
        place,
    )


def table(stack: Stack) -> list[Row]:
    rows = [
        Row("transformer.embedding.weight", ["transformer.wte.weight"]),
        Row("transformer.position.table.weight", ["transformer.wpe.weight"]),
    ]
    for layer in range(stack.layers):
        ours, theirs = f"transformer.blocks.{layer}", f"transformer.h.{layer}"
        rows += linear(f"{ours}.attention.qkv", f"{theirs}.attn.c_attn", transposed=True)
        rows += linear(f"{ours}.attention.out", f"{theirs}.attn.c_proj", transposed=True)
        rows += linear(f"{ours}.ffn.up", f"{theirs}.mlp.c_fc", transposed=True)
        rows += linear(f"{ours}.ffn.down", f"{theirs}.mlp.c_proj", transposed=True)
        rows += linear(f"{ours}.attention_norm", f"{theirs}.ln_1") + linear(
            f"{ours}.ffn_norm", f"{theirs}.ln_2"
        )
    rows += linear("transformer.norm", "transformer.ln_f")
    if stack.task in HEADS:
        return rows + linear("classifier", HEADS[stack.task], stack.label_bias)
    if not stack.tied:
        rows.append(Row("head.weight", ["lm_head.weight"]))
    return rows
