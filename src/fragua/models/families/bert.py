"""The BERT and RoBERTa layouts of Hugging Face, with the heads they are shared with."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fragua.errors import InputError
from fragua.models.config import Stack, Task
from fragua.models.families.table import (
    POOLING,
    Row,
    activation,
    fused,
    labels_from,
    labels_to,
    linear,
    refuse,
    taken,
)

ARCHITECTURES: dict[Task, str] = {
    "tokens": "ForMaskedLM",
    "pretraining": "ForPreTraining",
    "hidden": "Model",
    "label": "ForSequenceClassification",
    "tag": "ForTokenClassification",
}
NAMES = {"bert": "Bert", "roberta": "Roberta"}
PREFIXES = ("bert.", "roberta.")
IGNORED = (
    r".*embeddings\.position_ids",
    r"cls\.predictions\.decoder\.(weight|bias)",
    r"lm_head\.decoder\.(weight|bias)",
)
FIXED: dict[str, Any] = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "tie_word_embeddings": True,
}
FIELDS = {
    "vocab_size": "vocab_size",
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "ffn_width": "intermediate_size",
    "token_types": "type_vocab_size",
    "norm_eps": "layer_norm_eps",
    "pad_id": "pad_token_id",
}


def to_config(stack: Stack) -> dict[str, Any]:
    return {
        "architectures": [NAMES[stack.family] + ARCHITECTURES[stack.task]],
        "model_type": stack.family,
        **{theirs: getattr(stack, ours) for ours, theirs in FIELDS.items()},
        "max_position_embeddings": stack.context + stack.position_offset,
        "hidden_act": stack.activation,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        **labels_to(stack),
    }


def from_config(config: dict[str, Any], place: str, names: Collection[str] = ()) -> Stack:
    """The heads are those that the file has; without a file, those of the architecture."""
    refuse(config, FIXED, place)
    family = config["model_type"]
    pad = 1 if family == "roberta" else 0
    values = taken(config, FIELDS, place, token_types=2, norm_eps=1e-12, pad_id=pad)
    offset = values["pad_id"] + 1 if family == "roberta" else 0
    task, heads = _task(config, names, place), max(1, values["heads"])
    return Stack.parse(
        values
        | {
            "family": family,
            "context": taken(config, {"context": "max_position_embeddings"}, place, context=512)["context"]
            - offset,
            "position_offset": offset,
            "kv_heads": heads,
            "head_width": values["width"] // heads,
            "ffn": "plain",
            "activation": activation(config, "hidden_act", "gelu", place),
            "norm": "layer",
            "norm_at": "post",
            "position": "learned",
            "visible": "full",
            "qk_norm": False,
            "pooler": _pooler(config, task, names),
            **labels_from(config, task, "cls", place),
            **dict.fromkeys(("ffn_bias", "attention_bias", "output_bias"), True),
        },
        place,
    )


def _task(config: dict[str, Any], names: Collection[str], place: str) -> Task:
    architecture = (config.get("architectures") or [""])[0]
    kinds: dict[str, Task] = {ending: task for task, ending in ARCHITECTURES.items()}
    named = next((task for ending, task in kinds.items() if architecture.endswith(ending)), None)
    if architecture and named is None:
        known = ", ".join(NAMES[config["model_type"]] + ending for ending in kinds)
        raise InputError(f"architecture {architecture!r} is not supported", place, f"known: {known}")
    if not names:
        return named or "tokens"
    if any(name.startswith("cls.seq_relationship.") for name in names):
        return "pretraining"
    if any(name.startswith(("cls.predictions.", "lm_head.")) for name in names):
        return "tokens"
    if any(name.startswith("classifier.") for name in names):
        return "tag" if named == "tag" else "label"
    return named if named in ("label", "tag") else "hidden"


def _pooler(config: dict[str, Any], task: Task, names: Collection[str]) -> bool:
    if task == "label":
        return config["model_type"] == "bert" and POOLING not in config
    if task == "pretraining":
        return True
    return any(name.endswith("pooler.dense.weight") for name in names) if names else task == "hidden"


def table(stack: Stack) -> list[Row]:
    prefix = "" if stack.task == "hidden" else f"{stack.family}."
    embeddings = f"{prefix}embeddings"
    rows = [
        Row("transformer.embedding.weight", [f"{embeddings}.word_embeddings.weight"]),
        Row("transformer.position.table.weight", [f"{embeddings}.position_embeddings.weight"]),
        Row("transformer.position.types.weight", [f"{embeddings}.token_type_embeddings.weight"]),
        *linear("transformer.position.norm", f"{embeddings}.LayerNorm"),
    ]
    for layer in range(stack.layers):
        ours, theirs = f"transformer.blocks.{layer}", f"{prefix}encoder.layer.{layer}"
        parts = [f"{theirs}.attention.self.{part}" for part in ("query", "key", "value")]
        rows += fused(f"{ours}.attention.qkv", parts, [stack.width] * 3, True)
        rows += linear(f"{ours}.attention.out", f"{theirs}.attention.output.dense")
        rows += linear(f"{ours}.attention_norm", f"{theirs}.attention.output.LayerNorm")
        rows += linear(f"{ours}.ffn.up", f"{theirs}.intermediate.dense")
        rows += linear(f"{ours}.ffn.down", f"{theirs}.output.dense")
        rows += linear(f"{ours}.ffn_norm", f"{theirs}.output.LayerNorm")
    if stack.pooler:
        rows += linear("pooler.dense", f"{prefix}pooler.dense")
    return rows + _heads(stack)


def _heads(stack: Stack) -> list[Row]:
    if stack.task == "hidden":
        return []
    if stack.task in ("tokens", "pretraining"):
        if stack.family == "roberta":
            dense, norm, bias = "lm_head.dense", "lm_head.layer_norm", "lm_head.bias"
        else:
            dense, norm = "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm"
            bias = "cls.predictions.bias"
        rows = linear("before_head.dense", dense) + linear("before_head.norm", norm)
        rows.append(Row("head.bias", [bias]))
        return rows + (linear("next_sentence", "cls.seq_relationship") if stack.task == "pretraining" else [])
    if stack.has_inner:
        return linear("first.dense", "classifier.dense") + linear("classifier", "classifier.out_proj")
    return linear("classifier", "classifier")
