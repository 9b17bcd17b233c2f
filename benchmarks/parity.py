"""Does every family give what transformers gives? Random configs, on the same weights, both ways.

For each config that is drawn: a model of transformers with random weights (gains around 1, logits above 1, so that a
wrong epsilon or activation shows) is saved, loaded here, and compared: logits, all hidden states and attentions within
1e-4, gradients of the loss within 1e-3 of their largest; then it is saved here, and transformers loads it with no
missing and no unexpected key. Inputs are padded left and right and have token types, permutations and memories where
the family knows them.

    fragua bench parity
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from torch import Tensor

from fragua.models.calls import Model
from fragua.models.io import load, save_model

VOCABULARY = 61
EXAMPLES = 20
LOGITS, GRADIENTS = 1e-4, 1e-3
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


def compare(family: str, peer: Any, folder: Path) -> None:
    """Raises AssertionError where anything differs."""
    peer.save_pretrained(folder / "theirs")
    ours = load(folder / "theirs")
    assert sum(p.numel() for p in ours.parameters()) == ours.config.parameters(), "parameters() is wrong"
    generator = torch.Generator().manual_seed(7)
    given = inputs(family, peer, generator)
    compare_outputs(family, ours, peer, given)
    if family == "xlnet" and "perm_mask" in given:
        compare_memories(ours, peer, given)
    save_model(ours, folder / "ours")
    again, report = type(peer).from_pretrained(folder / "ours", output_loading_info=True, dtype=torch.float32)
    untied = family in ("t5", "mt5") and hasattr(peer, "lm_head") and not ours.config.tied
    unexpected = set(report["unexpected_keys"]) - ({"lm_head.weight"} if untied else set())
    assert not report["missing_keys"] and not unexpected, report
    if not untied:
        with torch.no_grad():
            wanted = main_result(peer(**given))
            real = of(wanted, real_places(family, given))
            close(main_result(again.eval()(**given))[real], wanted[real], 1e-5, "saved here")


def compare_outputs(family: str, ours: Model, peer: Any, given: dict[str, Tensor]) -> None:
    wanted = peer(**given, output_hidden_states=True, output_attentions=True)
    found = ours(**given, output_hidden_states=True, output_attentions=True)
    fast = ours(**given)
    real = real_places(family, given)
    for name in (
        "logits",
        "prediction_logits",
        "seq_relationship_logits",
        "last_hidden_state",
        "pooler_output",
    ):
        theirs = getattr(wanted, name, None)
        if theirs is not None:
            these = of(theirs, real)
            close(getattr(found, name)[these], theirs[these], LOGITS, name)
            close(getattr(fast, name)[these], theirs[these], LOGITS, f"{name} on the fast path")
    for name in ("hidden_states", "decoder_hidden_states", "encoder_hidden_states"):
        theirs = getattr(wanted, name, None) or ()
        mine = getattr(found, name) or ()
        assert len(mine) == len(theirs), f"{len(theirs)} {name} are wanted, {len(mine)} came"
        for number, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            close(a[real], b[real], LOGITS, f"{name}[{number}]")
    compare_attentions(found, wanted, real)
    real = of(main_result(wanted), real)
    result = main_result(wanted)[real]
    few = result.numel() < 16  # labels of a few rows may all be small by chance
    assert few or result.abs().max() > 1, "logits too small to show a difference"
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(8))
    for output in (main_result(fast)[real], result):
        (output.log_softmax(-1) * weights).mean().backward()
    compare_gradients(ours, peer)


def real_places(family: str, given: dict[str, Tensor]) -> Any:
    """What a causal model makes of padding is no one's business; the others agree even there."""
    causal = family in ("gpt2", "llama", "mistral", "qwen2", "qwen3")
    return given["attention_mask"].bool() if causal else ...


def of(result: Tensor, real: Any) -> Any:
    """`real`, or all of what is told of whole texts."""
    return real if real is ... or result.ndim == 3 else ...


def compare_attentions(found: Any, wanted: Any, real: Any) -> None:
    for name in ("attentions", "decoder_attentions", "cross_attentions", "encoder_attentions"):
        for mine, theirs in zip(getattr(found, name) or (), getattr(wanted, name, None) or (), strict=True):
            if isinstance(theirs, tuple):  # two streams: content, and asking rows by position
                theirs = theirs[0]
                mine = mine[:, :, : theirs.shape[2]]
            if real is not ...:
                mine, theirs = (each.transpose(1, 2)[real] for each in (mine, theirs))
            close(mine, theirs, LOGITS, name)


def compare_gradients(ours: Model, peer: Any) -> None:
    """The gradients of every matrix, as transformers lays them out."""
    from fragua.models.io import FAMILIES
    from fragua.models.weights import their_layout

    theirs = dict(peer.named_parameters())
    mine = dict(ours.named_parameters())
    prefixes = FAMILIES[ours.config.family].PREFIXES
    compared = 0
    for row in FAMILIES[ours.config.family].table(ours.config):
        gradient = mine[row.ours].grad
        names = [next(n for n in (name, *(p + name for p in prefixes)) if n in theirs) for name in row.theirs]
        if gradient is None:
            assert all(theirs[name].grad is None or not theirs[name].grad.any() for name in names), row.ours
            continue
        for name, part in zip(names, their_layout(row, gradient), strict=True):
            wanted = theirs[name].grad
            close(
                part, torch.zeros_like(part) if wanted is None else wanted, GRADIENTS, f"gradient of {name}"
            )
            compared += 1
    assert compared > len(ours.transformer.blocks), "hardly any gradient was compared"


@torch.no_grad()
def compare_memories(ours: Model, peer: Any, given: dict[str, Tensor]) -> None:
    """A second segment that remembers the first; then without permutation, and without types."""
    found, wanted = ours(**given, use_mems=True), peer(**given, use_mems=True)
    for mine, theirs in zip(found.mems, wanted.mems, strict=True):
        close(mine, theirs, LOGITS, "mems")
    for names in (
        given.keys(),
        {"input_ids", "token_type_ids"},
        {"input_ids", "attention_mask"},
        {"input_ids"},
    ):
        some = {name: given[name] for name in names}
        mine, theirs = ours(**some, mems=found.mems), peer(**some, mems=wanted.mems)
        close(main_result(mine), main_result(theirs), LOGITS, f"with memory, {sorted(names)}")


def main_result(output: Any) -> Tensor:
    for name in ("logits", "prediction_logits", "last_hidden_state"):
        value = getattr(output, name, None)
        if value is not None:
            return value
    raise AssertionError("no result")


def close(mine: Tensor, theirs: Tensor, tolerance: float, what: str) -> None:
    """Equal to `tolerance`, absolutely and of the largest value."""
    limit = tolerance * max(1.0, theirs.abs().max().item())
    difference = (mine - theirs).abs().max().item()
    assert mine.shape == theirs.shape and difference <= limit, f"{what} differs by {difference:.2g}"


def sweep(family: str, examples: int, number: int | None = None, classes: list[str] | None = None) -> None:
    """Draws `examples` models and compares each. Raises AssertionError at the first that differs."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=number is None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(peer=peers(family, classes))
    def check(peer: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            compare(family, peer, Path(folder))

    (check if number is None else seed(number)(check))()


def main() -> dict[str, Any]:
    logging.getLogger("transformers").setLevel(logging.ERROR)
    passed = {}
    for family in DRAWERS:
        sweep(family, EXAMPLES, number=len(passed))
        if family in HEADED:
            sweep(family, EXAMPLES, number=len(passed), classes=HEADED[family])
        passed[family] = EXAMPLES * (1 + (family in HEADED))
        print(f"{family}: {passed[family]} random configs agree")
    return {"configs": passed, "tolerance_logits": LOGITS, "tolerance_gradients": GRADIENTS}
