"""The decoder against transformers on the same weights, and against itself: cached, grouped, packed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from fragua.errors import InputError
from fragua.files import read_json, write_json
from fragua.models import Decoder, Stack, decoder_config, initialise, load_model, save_model
from fragua.models.attention import attend, attend_explicit
from fragua.models.visibility import documents


def random_model(seed: int = 0, **changes: object) -> Decoder:
    """Weights large enough that logits exceed 1 and norm gains differ from 1: a wrong epsilon or gain shows."""
    values: dict[str, object] = dict(
        vocab_size=97, context=64, layers=2, width=48, heads=4, kv_heads=2, head_width=16, ffn_width=80
    )
    model = Decoder(Stack.parse(values | changes)).eval()
    initialise(model, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.3 * noise if parameter.ndim == 1 else 0.2 * noise)
    return model


LAYOUTS = [
    dict(family="qwen3", tied=True),
    dict(family="qwen3", tied=False, attention_bias=True, output_bias=True, kv_heads=4),
    dict(family="llama", qk_norm=False, tied=False, norm_eps=1e-5),
    dict(family="llama", qk_norm=False, tied=True, kv_heads=1, rope_theta=500_000.0),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout['family']}-{len(layout)}")
def test_transformers_reads_our_directory_and_gives_the_same_logits(layout: dict, tmp_path: Path) -> None:
    model = random_model(**layout)
    save_model(model, tmp_path)
    peer, report = AutoModelForCausalLM.from_pretrained(
        tmp_path, output_loading_info=True, dtype=torch.float32
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    ids = torch.randint(0, 97, (3, 20), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[0, :7] = 0
    with torch.no_grad():
        assert model(ids).logits.abs().max() > 1
        torch.testing.assert_close(model(ids).logits, peer(ids).logits, atol=1e-4, rtol=1e-4)
        ours, theirs = model(ids, attention_mask=mask).logits, peer(ids, attention_mask=mask).logits
    torch.testing.assert_close(ours[mask.bool()], theirs[mask.bool()], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layout", LAYOUTS[1:3], ids=lambda layout: layout["family"])
def test_a_directory_saved_by_transformers_loads_here_even_in_shards(layout: dict, tmp_path: Path) -> None:
    save_model(random_model(**layout), tmp_path / "a")
    peer = AutoModelForCausalLM.from_pretrained(tmp_path / "a")
    peer.save_pretrained(tmp_path / "b", max_shard_size="60KB")
    assert (tmp_path / "b" / "model.safetensors.index.json").exists()
    ids = torch.arange(12)[None]
    with torch.no_grad():
        torch.testing.assert_close(
            load_model(tmp_path / "b")(ids).logits, peer(ids).logits, atol=1e-4, rtol=1e-4
        )


def test_gradients_equal_those_of_transformers(tmp_path: Path) -> None:
    model = random_model().train()
    save_model(model, tmp_path)
    peer = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    ids = torch.randint(0, 97, (2, 16), generator=torch.Generator().manual_seed(2))
    for one in (model, peer):
        logits = one(ids).logits[:, :-1]
        torch.nn.functional.cross_entropy(logits.reshape(-1, 97), ids[:, 1:].reshape(-1)).backward()
    ours = model.transformer.blocks[0].attention.qkv.weight.grad
    theirs = [getattr(peer.model.layers[0].self_attn, f"{part}_proj").weight.grad for part in "qkv"]
    torch.testing.assert_close(ours, torch.cat(theirs), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(
        model.transformer.embedding.weight.grad, peer.model.embed_tokens.weight.grad, atol=1e-4, rtol=1e-3
    )


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(1, 23), min_size=1, max_size=4, unique=True), rewind=st.integers(0, 10))
def test_cached_steps_equal_one_pass(cuts: list[int], rewind: int) -> None:
    model = random_model()
    ids = torch.randint(0, 97, (2, 24), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        whole = model(ids).logits
        cache = model.new_cache(2, 40)
        model(ids.flip(0)[:, :rewind] if rewind else ids[:, :1], cache=cache)
        cache.rewind(0)
        edges = [0, *sorted(cuts), 24]
        parts = [model(ids[:, a:b], cache=cache).logits for a, b in pairwise(edges)]
    assert cache.length == 24
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=1e-4)


def test_left_padding_with_a_cache_changes_nothing() -> None:
    model = random_model()
    ids = torch.randint(0, 97, (1, 10), generator=torch.Generator().manual_seed(4))
    padded, mask = (
        torch.cat((torch.zeros(1, 5, dtype=torch.long), ids), 1),
        torch.ones(1, 15, dtype=torch.long),
    )
    mask[:, :5] = 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        cache = model.new_cache(1, 15)
        model(padded[:, :12], attention_mask=mask[:, :12], position_ids=positions[:, :12], cache=cache)
        step = model(padded[:, 12:], attention_mask=mask, position_ids=positions[:, 12:], cache=cache).logits
        torch.testing.assert_close(step, model(ids).logits[:, 7:], atol=1e-4, rtol=1e-4)


def test_packed_documents_do_not_see_each_other() -> None:
    model = random_model()
    first, second = torch.arange(7)[None], torch.arange(30, 39)[None]
    packed = torch.cat((first, second), 1)
    owner = torch.tensor([[0] * 7 + [1] * 9])
    with torch.no_grad():
        together = model.hidden(packed, documents(owner))
        torch.testing.assert_close(together[:, 7:], model.hidden(second), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(together[:, :7], model.hidden(first), atol=1e-4, rtol=1e-4)


def test_the_explicit_softmax_equals_the_fused_one() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, heads, 9, 8, generator=generator) for heads in (4, 2, 2))
    owner = torch.tensor([[0] * 4 + [1] * 5, [0] * 7 + [-1] * 2])
    for visible in (None, documents(owner)):
        torch.testing.assert_close(
            attend_explicit(q, k, v, visible), attend(q, k, v, visible), atol=1e-5, rtol=1e-5
        )


def test_parameters_and_flops_are_as_computed() -> None:
    for config in (decoder_config(4, 4096), decoder_config(2, 512, tied=False, kv_heads=1)):
        model = Decoder(config)
        unique = sum(parameter.numel() for parameter in model.parameters())
        assert unique == config.parameters()
    config = decoder_config(4, 4096, context=256)
    matrices = config.parameters()  # tied: the embedding stands for the head
    # norms are counted by parameters() once more than by the estimate, which leaves out the final one
    assert config.flops_per_token() == 6 * (matrices - config.width) + 12 * 4 * 256 * 256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "mamba"}, "unknown model_type 'mamba'; known: bert, gpt2, llama"),
        ({"hidden_act": "mish"}, "hidden_act = 'mish' is not supported"),
        ({"rope_parameters": {"rope_type": "longrope"}}, "rope_type = 'longrope' is not supported"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "no field 'factor'"),
        ({"intermediate_size": 81}, "has shape"),
        ({"num_hidden_layers": 3}, "is missing"),
        ({"num_hidden_layers": 1}, "is left over"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_by_name(change: dict, message: str, tmp_path: Path) -> None:
    save_model(random_model(), tmp_path)
    write_json(tmp_path / "config.json", read_json(tmp_path / "config.json") | change)
    with pytest.raises(InputError, match=message.split(";")[0]):
        load_model(tmp_path)


def test_a_loaded_model_trains_a_tied_weight_once(tmp_path: Path) -> None:
    for tied in (True, False):
        fresh = Decoder(decoder_config(1, 512, 32, tied=tied))
        save_model(fresh, tmp_path / str(tied))
        loaded = load_model(tmp_path / str(tied))
        assert (loaded.head.weight is loaded.transformer.embedding.weight) is tied
        assert len(list(loaded.parameters())) == len(list(fresh.parameters()))


def test_a_truncated_weight_file_is_refused(tmp_path: Path) -> None:
    save_model(random_model(), tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated"):
        load_model(tmp_path)
