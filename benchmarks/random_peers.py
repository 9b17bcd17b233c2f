"""Models of transformers with random configs and weights, and inputs for them: what parity is measured on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers
from hypothesis import strategies as st
from torch import Tensor

VOCABULARY = 61
Draw = Callable[[st.SearchStrategy[Any]], Any]


def _sizes(draw: Draw) -> tuple[int, int, int]:
    """Layers, heads, width."""
    heads = draw(st.sampled_from([1, 2, 3, 4]))
    return draw(st.integers(1, 3)), heads, heads * draw(st.sampled_from([4, 8, 12]))


def _llama_like(draw: Draw, name: str, **more: Any) -> Any:
    layers, heads, width = _sizes(draw)
    kv_heads = draw(st.sampled_from([each for each in (1, 2, 3, 4) if heads % each == 0]))
    values = dict(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=draw(st.sampled_from([12, 40])),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=64,
        rms_norm_eps=draw(st.sampled_from([1e-6, 1e-2])),
        tie_word_embeddings=draw(st.booleans()),
        rope_parameters=_rope(draw),
        hidden_act=draw(st.sampled_from(["silu", "gelu"])),
    )
    if name != "Qwen2":
        values["head_dim"] = draw(st.sampled_from([width // heads, 8, 16]))
    return getattr(transformers, f"{name}Config")(**values, **more)


def _rope(draw: Draw) -> dict[str, Any]:
    kind = draw(st.sampled_from(["default", "linear", "llama3", "yarn"]))
    rope: dict[str, Any] = {"rope_type": kind, "rope_theta": draw(st.sampled_from([100.0, 10_000.0]))}
    if kind != "default":
        rope["factor"] = draw(st.sampled_from([2.0, 8.0]))
    if kind in ("llama3", "yarn"):
        rope["original_max_position_embeddings"] = draw(st.sampled_from([16, 32]))
    if kind == "llama3":
        rope |= {"low_freq_factor": 1.0, "high_freq_factor": draw(st.sampled_from([2.0, 4.0]))}
    if kind == "yarn" and draw(st.booleans()):
        rope |= draw(
            st.sampled_from(
                [
                    {"attention_factor": 1.3},
                    {"mscale": 1.0, "mscale_all_dim": 0.7},
                    {"beta_fast": 8.0, "beta_slow": 2.0, "truncate": False},
                ]
            )
        )
    return rope


def _windowed(draw: Draw) -> dict[str, Any]:
    if not draw(st.booleans()):
        return {}
    return {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": draw(st.integers(0, 2))}


def _llama(draw: Draw) -> Any:
    return _llama_like(draw, "Llama", attention_bias=draw(st.booleans()), mlp_bias=draw(st.booleans()))


def _mistral(draw: Draw) -> Any:
    return _llama_like(draw, "Mistral", sliding_window=draw(st.sampled_from([None, 1, 5])))


def _qwen2(draw: Draw) -> Any:
    return _llama_like(draw, "Qwen2", **_windowed(draw))


def _qwen3(draw: Draw) -> Any:
    return _llama_like(draw, "Qwen3", attention_bias=draw(st.booleans()), **_windowed(draw))


def _gpt2(draw: Draw) -> Any:
    layers, heads, width = _sizes(draw)
    return transformers.GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=40,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        n_inner=draw(st.sampled_from([None, 20])),
        activation_function=draw(st.sampled_from(["gelu_new", "gelu", "relu"])),
        layer_norm_epsilon=draw(st.sampled_from([1e-5, 1e-2])),
        tie_word_embeddings=draw(st.booleans()),
        bos_token_id=0,
        eos_token_id=0,
    )


def _bert_like(draw: Draw, name: str, **more: Any) -> Any:
    layers, heads, width = _sizes(draw)
    return getattr(transformers, f"{name}Config")(
        vocab_size=VOCABULARY,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=draw(st.sampled_from([12, 40])),
        hidden_act=draw(st.sampled_from(["gelu", "gelu_new", "relu"])),
        max_position_embeddings=40,
        type_vocab_size=draw(st.sampled_from([1, 2, 3])),
        layer_norm_eps=draw(st.sampled_from([1e-12, 1e-2])),
        num_labels=draw(st.sampled_from([2, 5])),
        **more,
    )


def _bert(draw: Draw) -> Any:
    return _bert_like(draw, "Bert")


def _roberta(draw: Draw) -> Any:
    return _bert_like(draw, "Roberta", pad_token_id=draw(st.sampled_from([1, 3])))


def _t5(draw: Draw, kind: str = "T5") -> Any:
    layers, heads, width = _sizes(draw)
    return getattr(transformers, f"{kind}Config")(
        vocab_size=VOCABULARY,
        d_model=width,
        d_kv=draw(st.sampled_from([4, 8, width // heads])),
        d_ff=draw(st.sampled_from([12, 40])),
        num_layers=draw(st.integers(1, 3)),
        num_decoder_layers=layers,
        num_heads=heads,
        relative_attention_num_buckets=draw(st.sampled_from([8, 32])),
        relative_attention_max_distance=draw(st.sampled_from([12, 128])),
        layer_norm_epsilon=draw(st.sampled_from([1e-6, 1e-2])),
        feed_forward_proj=draw(st.sampled_from(["relu", "gated-gelu", "gated-silu", "gelu"])),
        tie_word_embeddings=draw(st.booleans()),
        decoder_start_token_id=0,
    )


def _mt5(draw: Draw) -> Any:
    return _t5(draw, "MT5")


def _xlnet(draw: Draw) -> Any:
    layers, heads, width = _sizes(draw)
    return transformers.XLNetConfig(
        vocab_size=VOCABULARY,
        d_model=width,
        n_layer=layers,
        n_head=heads,
        d_inner=draw(st.sampled_from([12, 40])),
        ff_activation=draw(st.sampled_from(["gelu", "relu"])),
        layer_norm_eps=draw(st.sampled_from([1e-12, 1e-2])),
        mem_len=draw(st.sampled_from([None, 6])),
        clamp_len=draw(st.sampled_from([-1, 4])),
    )


DRAWERS: dict[str, tuple[Callable[[Draw], Any], list[str]]] = {
    "gpt2": (_gpt2, ["GPT2LMHeadModel"]),
    "llama": (_llama, ["LlamaForCausalLM"]),
    "mistral": (_mistral, ["MistralForCausalLM"]),
    "qwen2": (_qwen2, ["Qwen2ForCausalLM"]),
    "qwen3": (_qwen3, ["Qwen3ForCausalLM"]),
    "bert": (
        _bert,
        [
            "BertForMaskedLM",
            "BertForPreTraining",
            "BertModel",
            "BertForSequenceClassification",
            "BertForTokenClassification",
        ],
    ),
    "roberta": (
        _roberta,
        [
            "RobertaForMaskedLM",
            "RobertaModel",
            "RobertaForSequenceClassification",
            "RobertaForTokenClassification",
        ],
    ),
    "t5": (_t5, ["T5ForConditionalGeneration"]),
    "mt5": (_mt5, ["MT5ForConditionalGeneration"]),
    "xlnet": (_xlnet, ["XLNetLMHeadModel", "XLNetModel"]),
}
"""How a config of each family is drawn, and the classes that it is tried with."""

HEADED = {
    family: [f"{name}For{kind}Classification" for kind in ("Sequence", "Token")]
    for family, name in {
        "gpt2": "GPT2",
        "llama": "Llama",
        "mistral": "Mistral",
        "qwen2": "Qwen2",
        "qwen3": "Qwen3",
        "xlnet": "XLNet",
    }.items()
} | {family: [f"{family.upper()}ForSequenceClassification"] for family in ("t5", "mt5")}
"""Classes with a head of labels of the families whose own work is another."""
LABELLED, PAD, END = ("SequenceClassification", "TokenClassification"), 2, 1


@st.composite
def peers(draw: Draw, family: str, classes: list[str] | None = None) -> Any:
    """A model of transformers with random weights, eager so that attentions can be compared."""
    drawer, usual = DRAWERS[family]
    config, kind = drawer(draw), draw(st.sampled_from(classes or usual))
    if classes:
        config.num_labels = draw(st.sampled_from([1, 2, 5]))
        config.pad_token_id = config.pad_token_id or (0 if family in ("t5", "mt5") else PAD)
    config._attn_implementation = "eager"
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    peer = getattr(transformers, kind)(config).eval()
    untie = family == "t5" and hasattr(peer, "lm_head") and draw(st.booleans())
    if untie:  # transformers builds it tied; older files are not
        peer.lm_head.weight = torch.nn.Parameter(torch.empty_like(peer.lm_head.weight))
    scatter(peer, generator, 0.1 if family in ("t5", "mt5") else 0.2)
    return peer


WIDE = {
    "embed": 0.7,
    "shared": 0.7,
    "wte": 0.7,
    "lm_head.weight": 0.7,
    "classifier": 3.0,
    "pooler": 2.0,
    "score": 3.0,
}
WIDE |= {"logits_proj": 3.0, "classification_head": 3.0}
"""Deviations of weights whose names hold these words."""


@torch.no_grad()
def scatter(peer: torch.nn.Module, generator: torch.Generator, deviation: float) -> None:
    """Gains around 1, biases around 0, matrices normal; embeddings large enough for logits above 1."""
    for name, parameter in peer.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        lowered = name.lower()
        is_gain = parameter.ndim == 1 and name.endswith("weight") and ("norm" in lowered or "ln_" in lowered)
        scale = next((value for word, value in WIDE.items() if word in lowered), deviation)
        parameter.copy_(1 + 0.3 * noise if is_gain else scale * noise)


def inputs(family: str, peer: Any, generator: torch.Generator) -> dict[str, Tensor]:
    """Three rows of 11 tokens: whole, padded left, padded right."""
    rows, time, pad = 3, 11, peer.config.pad_token_id or 0
    ids = torch.randint(4, VOCABULARY, (rows, time), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, :4], mask[2, 7:] = 0, 0
    given = {"input_ids": ids.masked_fill(mask == 0, pad), "attention_mask": mask}
    if family in ("bert", "roberta") and peer.config.type_vocab_size > 1:
        given["token_type_ids"] = torch.randint(
            0, peer.config.type_vocab_size, ids.shape, generator=generator
        )
    if type(peer).__name__.endswith(LABELLED) and family not in ("bert", "roberta"):
        ids = given["input_ids"]
        if family == "xlnet":  # its head reads the last place, so that texts are padded on the left
            mask[2], mask[2, :4] = 1, 0
            given["input_ids"] = ids.flip(1).masked_fill(mask == 0, pad)
            given["token_type_ids"] = torch.randint(0, 2, ids.shape, generator=generator)
        if family in ("t5", "mt5"):
            ids[:2, -1], ids[2, 6] = END, END
        return given
    if family in ("t5", "mt5"):
        given["decoder_input_ids"] = torch.randint(4, VOCABULARY, (rows, 8), generator=generator)
    if family == "xlnet":
        given["token_type_ids"] = torch.randint(0, 2, ids.shape, generator=generator)
        order = torch.rand(rows, time, generator=generator).argsort(1)
        given["perm_mask"] = (order[:, :, None] <= order[:, None, :]).float()
        given["target_mapping"] = torch.zeros(rows, 4, time)
        for row in range(rows):
            for place, target in enumerate(torch.randperm(time, generator=generator)[:3].tolist()):
                given["target_mapping"][row, place, target] = 1.0
    return given
