"""Weights of other programs: half precision, shards, torch's format, old names; what does not fit is told by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from benchmarks.random_peers import DRAWERS, scatter
from safetensors.torch import load_file, save_file

from fragua.errors import InputError
from fragua.files import read_json, write_json
from fragua.models import load_model
from fragua.models.io import load

IDS = torch.arange(4, 20)[None]


def peer_of(kind: str, **changes: Any) -> Any:
    """A tiny random model of transformers."""
    bert = dict(
        vocab_size=61, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40
    )
    configs: dict[str, Any] = {
        "LlamaForCausalLM": lambda: transformers.LlamaConfig(
            **bert, num_key_value_heads=1, tie_word_embeddings=False, **changes
        ),
        "GPT2LMHeadModel": lambda: transformers.GPT2Config(
            vocab_size=61, n_embd=24, n_layer=2, n_head=3, n_positions=32, **changes
        ),
        "T5ForConditionalGeneration": lambda: transformers.T5Config(
            vocab_size=61, d_model=24, d_kv=8, d_ff=40, num_layers=2, num_heads=3, **changes
        ),
        "XLNetLMHeadModel": lambda: transformers.XLNetConfig(
            vocab_size=61, d_model=24, n_layer=2, n_head=3, d_inner=40, **changes
        ),
    }
    config = configs.get(kind, lambda: transformers.BertConfig(**bert, **changes))()
    peer = getattr(transformers, kind)(config).eval()
    scatter(peer, torch.Generator().manual_seed(0), 0.2)
    return peer


def same(directory: Path, peer: Any, tolerance: float = 1e-4) -> None:
    with torch.no_grad():
        ours, theirs = load(directory)(IDS).logits, peer(IDS).logits
    torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_files_are_read_as_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    peer = peer_of("LlamaForCausalLM")
    for parameter in peer.parameters():
        parameter.data = parameter.to(dtype).float()
    peer.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    save_file({name: tensor.to(dtype) for name, tensor in load_file(file).items()}, file)
    model = load(tmp_path)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    same(tmp_path, peer)


@pytest.mark.parametrize(
    "kind", ["LlamaForCausalLM", "GPT2LMHeadModel", "BertForMaskedLM", "XLNetLMHeadModel"]
)
def test_torchs_own_files_are_read_whole_and_in_shards(kind: str, tmp_path: Path) -> None:
    peer = peer_of(kind)
    peer.save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    torch.save(state, tmp_path / "pytorch_model.bin")
    same(tmp_path, peer)
    names = sorted(state)
    shards = {name: f"pytorch_model-0000{number % 2 + 1}-of-00002.bin" for number, name in enumerate(names)}
    for shard in set(shards.values()):
        torch.save({name: state[name] for name in names if shards[name] == shard}, tmp_path / shard)
    (tmp_path / "pytorch_model.bin").unlink()
    write_json(tmp_path / "pytorch_model.bin.index.json", {"weight_map": shards})
    same(tmp_path, peer)
    (tmp_path / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(InputError, match="shard that the index names is missing"):
        load(tmp_path)


class Trap:
    """Would write a file when unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return Path.write_text, (self.path, "caught")  # type: ignore[return-value]


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    peer_of("GPT2LMHeadModel").save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({"x": Trap(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path)
    assert not (tmp_path / "ran").exists()
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02 not a file of torch")
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path)


def test_old_names_and_buffers_are_understood(tmp_path: Path) -> None:
    """TensorFlow's gamma and beta, buffers that files once carried, models saved without their head's prefix."""
    peer = peer_of("BertForPreTraining")
    peer.save_pretrained(tmp_path / "bert")
    file = tmp_path / "bert" / "model.safetensors"
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in load_file(file).items()
    }
    save_file(old | {"bert.embeddings.position_ids": torch.arange(512)[None]}, file)
    config = read_json(tmp_path / "bert" / "config.json")
    write_json(tmp_path / "bert" / "config.json", config | {"architectures": ["BertForMaskedLM"]})
    with torch.no_grad():
        found, wanted = load(tmp_path / "bert")(IDS), peer(IDS)
    torch.testing.assert_close(found.logits, wanted.prediction_logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        found.seq_relationship_logits, wanted.seq_relationship_logits, atol=1e-4, rtol=1e-4
    )

    peer = peer_of("GPT2LMHeadModel")
    peer.save_pretrained(tmp_path / "gpt2")
    file = tmp_path / "gpt2" / "model.safetensors"
    bare = {name.removeprefix("transformer."): tensor for name, tensor in load_file(file).items()}
    save_file(bare | {"h.0.attn.bias": torch.ones(1, 1, 32, 32)}, file)
    same(tmp_path / "gpt2", peer)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (
        "LlamaForCausalLM",
        {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}},
        "rope_type = 'dynamic'",
    ),
    (
        "LlamaForCausalLM",
        {"rope_scaling": {"type": "longrope"}, "rope_parameters": None},
        "rope_type = 'longrope'",
    ),
    ("LlamaForCausalLM", {"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5"),
    ("LlamaForCausalLM", {"quantization_config": {"bits": 4}}, "quantization_config"),
    ("LlamaForCausalLM", {"model_type": "qwen2", "layer_types": ["full_attention", "other"]}, "layer_types"),
    ("LlamaForCausalLM", {"hidden_size": None}, "no field 'hidden_size'"),
    ("LlamaForCausalLM", {"model_type": "falcon"}, "unknown model_type 'falcon'; known: bert, gpt2, llama"),
    ("GPT2LMHeadModel", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx = True"),
    ("GPT2LMHeadModel", {"add_cross_attention": True}, "add_cross_attention = True"),
    ("GPT2LMHeadModel", {"activation_function": "mish"}, "activation_function = 'mish'"),
    ("BertForMaskedLM", {"position_embedding_type": "relative_key"}, "position_embedding_type"),
    ("BertForMaskedLM", {"is_decoder": True}, "is_decoder = True"),
    ("BertForMaskedLM", {"architectures": ["BertForQuestionAnswering"]}, "BertForQuestionAnswering"),
    ("T5ForConditionalGeneration", {"feed_forward_proj": "gated-mish"}, "feed_forward_proj"),
    ("T5ForConditionalGeneration", {"is_encoder_decoder": False}, "is_encoder_decoder = False"),
    ("XLNetLMHeadModel", {"attn_type": "uni"}, "attn_type = 'uni'"),
    ("XLNetLMHeadModel", {"bi_data": True}, "bi_data = True"),
    ("XLNetLMHeadModel", {"n_layer": 3}, "tensor 'transformer.layer.2"),
    ("BertForMaskedLM", {"num_hidden_layers": 1}, "tensor 'bert.encoder.layer.1.*left over"),
    ("T5ForConditionalGeneration", {"d_ff": 41}, "has shape"),
]


@pytest.mark.parametrize(("kind", "change", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_does_not_fit_is_named(kind: str, change: dict[str, Any], message: str, tmp_path: Path) -> None:
    peer_of(kind).save_pretrained(tmp_path)
    config = read_json(tmp_path / "config.json")
    write_json(tmp_path / "config.json", config | change)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_an_encoder_is_not_taken_for_a_decoder(tmp_path: Path) -> None:
    peer_of("BertForMaskedLM").save_pretrained(tmp_path)
    with pytest.raises(InputError, match="bert does not continue a text"):
        load_model(tmp_path)


def test_every_known_family_is_drawn_in_the_parity_test() -> None:
    from fragua.models.io import FAMILIES

    assert sorted(DRAWERS) == sorted(FAMILIES)


MEASURE = """
import sys
from fragua.models.io import load
def kilobytes(what):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(what))
load(sys.argv[2])  # a tiny one first: what torch imports when a model is made is no weight
before = kilobytes("VmRSS")
model = load(sys.argv[1])
touched = sum(parameter.sum().item() for parameter in model.parameters())
print((kilobytes("VmHWM") - before) * 1024 / sum(4 * p.numel() for p in model.parameters()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loading_takes_little_more_memory_than_the_weights(dtype: torch.dtype, tmp_path: Path) -> None:
    config = transformers.LlamaConfig(
        vocab_size=8000,
        hidden_size=384,
        intermediate_size=1152,
        num_hidden_layers=6,
        num_attention_heads=8,
        tie_word_embeddings=False,
    )
    transformers.LlamaForCausalLM(config).to(dtype).save_pretrained(tmp_path)
    peer_of("LlamaForCausalLM").save_pretrained(tmp_path / "tiny")
    command = [sys.executable, "-c", MEASURE, str(tmp_path), str(tmp_path / "tiny")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout) < 1.2
