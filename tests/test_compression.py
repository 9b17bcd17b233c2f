"""What a person would lose: an n-gram whose bits are no code lengths, so that a model beats a straw man."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def program() -> ModuleType:
    pytest.importorskip("pyppmd")
    path = Path(__file__).parent.parent / "benchmarks" / "compression.py"
    spec = importlib.util.spec_from_file_location("benchmarks.compression", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@settings(max_examples=30)
@given(st.binary(min_size=8, max_size=200), st.binary(min_size=6, max_size=6), st.integers(1, 6))
def test_the_probabilities_of_the_next_byte_sum_to_one(
    program: ModuleType, learned: bytes, before: bytes, order: int
) -> None:
    model = program.NGram(learned, order)
    for context in (before, learned[:6]):
        shares = [model.probabilities(context + bytes([byte]))[-1] for byte in range(256)]
        assert min(shares) > 0
        assert sum(shares) == pytest.approx(1)


def test_a_longer_order_predicts_a_learned_text_better_and_another_no_worse_than_bytes(
    program: ModuleType,
) -> None:
    learned = b"en un lugar de la mancha, de cuyo nombre no quiero acordarme, " * 30
    held_out = b"en un lugar de la mancha"
    bits = [program.ngram_bits(learned, held_out, order) for order in (1, 2, 3, 5)]
    assert bits == sorted(bits, reverse=True)
    assert bits[-1] < len(held_out) < bits[0]
    assert program.ngram_bits(learned, b"\xff\xfe" * 8) >= 8 * 16


def test_ppmd_gives_back_what_it_packed(program: ModuleType) -> None:
    import pyppmd

    data = np.random.default_rng(0).integers(97, 101, 5000, dtype=np.uint8).tobytes()
    packed = pyppmd.compress(data, max_order=10, mem_size=1 << 24, variant="H")
    assert pyppmd.Ppmd7Decoder(10, 1 << 24).decode(packed, len(data)) == data
    assert program.ppmd(10, "H")(data) == len(packed)
    packed = pyppmd.compress(data, max_order=10, mem_size=1 << 24, variant="I")
    assert pyppmd.decompress(packed, max_order=10, mem_size=1 << 24, variant="I") == data
    assert program.ppmd(10, "I")(data) == len(packed)
