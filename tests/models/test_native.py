"""The native step: the numbers of the decoder in torch, and the same bits however rows are put together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fragua.errors import InputError
from fragua.models import Decoder, Stack, decoder_config
from fragua.models.native.library import compiler
from fragua.models.native.step import NativeDecoder
from fragua.models.presets import preset
from tests.tiny_model import random_weights

VOCABULARY, CONTEXT, PAGE, LENGTH = 301, 96, 16, 40
needs_compiler = pytest.mark.skipif(compiler() is None, reason="native code needs a C++ compiler")
BASE = decoder_config(3, VOCABULARY, CONTEXT, width=64, heads=4, kv_heads=2)
PLAIN = BASE.model_dump() | {"qk_norm": False}
STACKS = {
    "qwen3": BASE,
    "llama": preset("llama", 2, VOCABULARY, CONTEXT, pad_id=0, width=64, heads=4),
    "gpt2": preset("gpt2", 2, VOCABULARY, CONTEXT, pad_id=0, width=72, heads=4),
    "qwen2": Stack.parse(PLAIN | dict(family="qwen2", attention_bias=True, window=10, window_from=1)),
    "mistral": Stack.parse(PLAIN | dict(family="mistral", window=7, tied=False, ffn_width=101)),
    "gelu": Stack.parse(PLAIN | dict(family="llama", activation="gelu")),
    "relu": Stack.parse(PLAIN | dict(family="llama", activation="relu", head_width=10)),
}


class Pages:
    """Two sequences in pages that lie anywhere; what was not written is not a number."""

    def __init__(self, native: NativeDecoder):
        self.native, stack = native, native.config
        shape = (stack.layers, 12, stack.kv_heads, PAGE, stack.head_width)
        self.keys, self.values = (list(torch.full(shape, torch.nan)) for _ in range(2))
        self.table_BP = torch.randperm(12, generator=torch.Generator().manual_seed(1))[:6].view(2, 3)

    def logits(self, ids_BT: torch.Tensor, rows: list[tuple[int, int]]) -> torch.Tensor:
        b, p = torch.tensor(rows).T
        step = ids_BT[b, p], p.contiguous(), b.contiguous(), self.table_BP, self.keys, self.values
        return self.native.logits(self.native.states(*step))


def random_ids(seed: int = 0) -> torch.Tensor:
    return torch.randint(0, VOCABULARY, (2, LENGTH), generator=torch.Generator().manual_seed(seed))


def native(stack: Stack) -> NativeDecoder:
    found = NativeDecoder.of(random_weights(Decoder(stack)))
    assert found is not None
    return found


@needs_compiler
@pytest.mark.parametrize("name", STACKS)
def test_the_native_step_gives_the_decoders_logits(name: str) -> None:
    step, ids_BT = native(STACKS[name]), random_ids()
    with torch.inference_mode():
        wanted_BTV = step.decoder(ids_BT).logits
    rows = [(b, p) for b in range(2) for p in range(LENGTH)]
    torch.testing.assert_close(
        Pages(step).logits(ids_BT, rows).view_as(wanted_BTV), wanted_BTV, atol=5e-5, rtol=1e-5
    )


@needs_compiler
@settings(max_examples=15)
@given(st.sampled_from(sorted(STACKS)), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=8))
def test_no_row_depends_on_the_rows_beside_it(name: str, steps: list[tuple[int, int]]) -> None:
    step, ids_BT = native(STACKS[name]), random_ids()
    rows = [(b, p) for b in range(2) for p in range(LENGTH)]
    whole = Pages(step).logits(ids_BT, rows).view(2, LENGTH, -1)
    pages, done = Pages(step), [0, 0]
    for new in [*steps, (LENGTH, LENGTH)]:
        ends = [min(LENGTH, start + more) for start, more in zip(done, new, strict=True)]
        rows = [(b, p) for b in range(2) for p in range(done[b], ends[b])]
        if rows:
            b, p = torch.tensor(rows).T
            assert torch.equal(pages.logits(ids_BT, rows), whole[b, p])
        done = ends


@needs_compiler
def test_no_row_depends_on_the_number_of_threads() -> None:
    step, ids_BT, rows = native(BASE), random_ids(), [(0, place) for place in range(7)]
    threads = torch.get_num_threads()
    found = []
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            found.append(Pages(step).logits(ids_BT, rows))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)


@needs_compiler
def test_weights_that_change_are_seen() -> None:
    step, ids_BT, rows = native(BASE), random_ids(), [(0, 0), (0, 1)]
    before = Pages(step).logits(ids_BT, rows)
    with torch.no_grad():
        step.decoder.head.weight.mul_(2)
    step.decoder.transformer.norm.weight = torch.nn.Parameter(step.decoder.transformer.norm.weight * 2)
    with torch.inference_mode():
        wanted = step.decoder(ids_BT[:1, :2]).logits[0]
    after = Pages(step).logits(ids_BT, rows)
    torch.testing.assert_close(after, wanted, atol=5e-4, rtol=1e-4)
    assert not torch.allclose(before, after)


@needs_compiler
@pytest.mark.parametrize(("token", "position"), [(VOCABULARY, 0), (-1, 0), (0, 48), (0, -1)])
def test_a_row_out_of_range_is_refused(token: int, position: int) -> None:
    """Position 48: the tables have three pages of 16."""
    step = native(BASE)
    pages = Pages(step)
    one = torch.zeros(1, dtype=torch.long)
    with pytest.raises(InputError, match="out of range"):
        step.states(one + token, one + position, one, pages.table_BP, pages.keys, pages.values)


@needs_compiler
def test_other_models_are_left_to_torch() -> None:
    assert NativeDecoder.of(Decoder(BASE).bfloat16()) is None


@pytest.mark.parametrize("broken", ["/bin/false", "/nowhere"])
def test_without_a_compiler_there_is_none(broken: str, tmp_path: Path) -> None:
    """`/nowhere`: none is found; `/bin/false`: one that fails. The command works all the same."""
    code = "from fragua.models.native.library import library; assert library() is None"
    variables = {"CXX": broken, "XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | variables, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert not list(tmp_path.rglob("*.so"))
