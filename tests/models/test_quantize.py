"""Weights as whole numbers: as near as they can be, the same by every way, and refused where they would be lost."""

from __future__ import annotations

import ctypes
import platform
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import fragua
from fragua.errors import InputError
from fragua.inference.engine import Engine, Sampling
from fragua.models import Decoder, decoder_config
from fragua.models.build import build
from fragua.models.linear import GROUP, KINDS, Int4Linear, Int8Linear
from fragua.models.native import library as native_library
from fragua.models.native.layout import Matrix, address
from fragua.models.native.library import compiler, multiply
from fragua.models.presets import preset
from fragua.models.quantize import quantize, weight_bytes
from tests.inference.engine.conftest import tiny
from tests.tiny_model import random_weights, write_tiny

needs_compiler = pytest.mark.skipif(compiler() is None, reason="native code needs a C++ compiler")


def layer_of(rows: int, columns: int, bias: bool = True) -> nn.Linear:
    torch.manual_seed(rows * 1000 + columns)
    return nn.Linear(columns, rows, bias=bias)


def test_int8_is_within_half_a_step_of_each_weight() -> None:
    layer = layer_of(9, 130)
    rounded = Int8Linear(layer)
    assert rounded.whole.dtype == torch.int8
    assert bool(((rounded.weight - layer.weight).abs() <= rounded.scale[:, None] * 0.5001).all())


def test_int4_is_better_than_reaching_the_largest_weight() -> None:
    layer = layer_of(16, 3 * GROUP)
    groups = layer.weight.detach().view(16, 3, GROUP)
    scale = groups.abs().amax(-1, keepdim=True) / 7
    plain = ((groups / scale).round().clamp(-8, 7) * scale - groups).square().sum()
    mine = (Int4Linear(layer).weight - layer.weight).square().sum()
    assert mine < 0.95 * plain


def test_weights_that_whole_numbers_can_say_stay_as_they_are() -> None:
    layer = nn.Linear(GROUP + 5, 6)
    whole = torch.randint(-7, 7, layer.weight.shape, generator=torch.Generator().manual_seed(0)).float()
    whole[:, 0] = whole[:, GROUP] = -8
    layer.weight = nn.Parameter(whole * 0.25)
    torch.testing.assert_close(Int4Linear(layer).weight, layer.weight.detach())


@needs_compiler
@settings(max_examples=40)
@given(
    st.sampled_from(["float32", *KINDS]),
    st.integers(1, 14),
    st.integers(4, 40),
    st.integers(1, 200),
    st.booleans(),
)
def test_the_native_product_is_the_product(
    kind: str, rows: int, outputs: int, inputs: int, bias: bool
) -> None:
    layer, x_ND = layer_of(outputs, inputs, bias), torch.randn(rows, inputs)
    if kind == "float32":
        tensors = address(layer.weight), None, address(layer.bias)
        matrix, weight = Matrix.of(kind, *tensors, outputs, inputs), layer.weight
    else:
        frozen = KINDS[kind](layer)
        matrix, weight = frozen.matrix(), frozen.weight
    wanted = nn.functional.linear(x_ND.double(), weight.double(), None if not bias else layer.bias.double())
    found = multiply(matrix, x_ND)
    assert found is not None
    torch.testing.assert_close(found.double(), wanted, atol=1e-3, rtol=1e-3)
    for row in range(rows):  # alone it is the same, to the bit
        alone = multiply(matrix, x_ND[row : row + 1])
        assert alone is not None and torch.equal(alone[0], found[row])


@needs_compiler
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("broken", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("place", [3, 64])
def test_what_is_no_number_stays_none(kind: str, broken: float, place: int) -> None:
    x_ND = torch.randn(2, 65)
    x_ND[1, place] = broken
    frozen = KINDS[kind](layer_of(8, 65))  # a matrix holds addresses, not tensors
    y_NO = multiply(frozen.matrix(), x_ND)
    assert y_NO is not None
    assert bool(y_NO[0].isfinite().all()) and not bool(y_NO[1].isfinite().any())


@needs_compiler
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="flags of another processor")
def test_processors_without_wide_registers_compute_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x_ND, layer = torch.randn(5, 197), layer_of(11, 197)
    matrices = [KINDS[kind](layer) for kind in KINDS]
    wide = [multiply(frozen.matrix(), x_ND) for frozen in matrices]
    command = compiler()
    assert command is not None
    flags = [flag.replace("native", "x86-64") for flag in native_library.FLAGS]
    monkeypatch.setattr(native_library, "FLAGS", flags)
    native_library.compile_library(command, tmp_path / "plain.so")
    plain = ctypes.CDLL(str(tmp_path / "plain.so"))
    monkeypatch.setattr(native_library, "library", lambda: plain)
    for frozen, wanted in zip(matrices, wide, strict=True):
        torch.testing.assert_close(multiply(frozen.matrix(), x_ND), wanted)
    float_matrix = Matrix.of("float32", address(layer.weight), None, address(layer.bias), 11, 197)
    torch.testing.assert_close(multiply(float_matrix, x_ND), layer(x_ND).detach(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("weights", KINDS)
def test_gradients_go_through_rounded_weights(weights: str) -> None:
    frozen = KINDS[weights](layer_of(8, 70))
    x_ND = torch.randn(3, 70, requires_grad=True)
    frozen(x_ND).square().sum().backward()
    mine, x_ND.grad = x_ND.grad, None
    nn.functional.linear(x_ND, frozen.weight, frozen.bias).square().sum().backward()
    torch.testing.assert_close(mine, x_ND.grad)


@pytest.mark.parametrize("weights", KINDS)
@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "t5", "xlnet"])
def test_rounded_models_answer_nearly_as_before_with_and_without_a_compiler(
    family: str, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_weights(build(preset(family, 2, 300, 64, pad_id=0, width=64, heads=4)))  # type: ignore[type-var]
    ids_BT = torch.randint(1, 300, (2, 9), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before, size = model.states(ids_BT), weight_bytes(model)
        quantize(model, weights)
        after = model.states(ids_BT)
        monkeypatch.setattr(native_library, "library", lambda: None)
        torch.testing.assert_close(model.states(ids_BT), after, atol=2e-3, rtol=2e-3)
    error = float((after - before).norm() / before.norm())
    assert error < {"int8": 0.05, "int4": 0.5}[weights]
    assert weight_bytes(model) < size * (0.8 if family in ("bert", "t5", "xlnet") else 0.35)


@pytest.mark.parametrize("tied", [True, False])
def test_a_tied_head_and_its_embedding_are_rounded_once(tied: bool) -> None:
    model = random_weights(Decoder(decoder_config(2, 300, 64, width=64, heads=4, tied=tied)))
    quantize(model, "int8")
    if tied:
        torch.testing.assert_close(model.transformer.embedding(torch.tensor([7])), model.head.weight[7:8])
    assert isinstance(model.transformer.embedding, nn.Embedding) is not tied


def test_a_model_is_loaded_rounded_and_not_saved(tmp_path: Path) -> None:
    directory = write_tiny(tmp_path / "m")
    lm = fragua.load(str(directory), weights="int8")
    plain = fragua.load(str(directory))
    text = "Había una vez una niña"
    scores = zip(lm.score(text).logprobs[1:], plain.score(text).logprobs[1:], strict=True)
    assert max(abs(a - b) for a, b in scores if a is not None and b is not None) < 0.2
    assert lm.generate(text, max_tokens=5).tokens
    with pytest.raises(InputError, match="not saved"):
        lm.save(tmp_path / "copy")
    assert not (tmp_path / "copy" / "model.safetensors").exists()
    with pytest.raises(InputError, match="float32, bfloat16, int8, int4"):
        fragua.load(str(directory), weights="int3")


@pytest.mark.parametrize("kind", ["qwen3", "gpt2", "t5"])
def test_bfloat16_writes_by_the_engine_what_generate_writes(kind: str) -> None:
    lm = deepcopy(tiny(kind))  # others share it
    text = "el hierro canta"
    exact = lm.score(text).logprobs if kind != "t5" else []
    quantize(lm.model, "bfloat16")
    if exact:
        assert lm.score(text).logprobs[1:] == pytest.approx(exact[1:], abs=0.2)
    wanted = lm.generate(text, max_tokens=8, temperature=0.0).tokens
    engine = Engine(lm, deterministic=True)
    assert (
        list(engine.generate([lm.prompt_ids(text)], Sampling(max_tokens=8, temperature=0.0))[0].token_ids)
        == wanted
    )
