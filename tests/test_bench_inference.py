"""The benchmark of inference: every part runs beside its peer, and its figures hang together."""

from __future__ import annotations

import pytest
from benchmarks import inference

from fragua.models import Stack, decoder_config
from fragua.models.native.library import compiler


def test_the_parts_run_beside_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRAGUA_LLAMA_CPP", raising=False)
    monkeypatch.setattr(inference, "PREFILL", 40)
    monkeypatch.setattr(inference, "bandwidth", lambda data: 1e9)  # a large tensor, read several times
    tiny = Stack.parse(decoder_config(1, 2048, 1024, width=64, heads=2).model_dump() | inference.LLAMA)
    figures = inference.main(inference.Size(1, 4, 4, 2), large=tiny, small=tiny)
    assert figures["native"] is (compiler() is not None)
    assert set(figures["tokens_per_s"]) == {"large alone", "small alone", "prefill", "concurrent"}
    bytes_read = figures["bytes_per_token"]
    assert 4 * tiny.parameters() <= bytes_read["large fragua_float32"] < 4.1 * tiny.parameters()
    assert bytes_read["large fragua_int4"] < bytes_read["large fragua_int8"] / 1.5
    for name, (low, high) in figures["ratio_spread"].items():
        assert 0 < low <= figures["ratios"][name] <= high


def test_requests_are_the_same_each_time_and_within_their_bounds() -> None:
    asked = inference.requests(200, 500)
    assert asked == inference.requests(200, 500)
    lengths = [len(each.prompt) for each in asked]
    assert min(lengths) >= 16 and max(lengths) <= 512 and sorted(lengths)[100] < 130  # log-uniform: about 90
    assert all(16 <= each.tokens <= 256 for each in asked)
