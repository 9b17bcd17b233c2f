"""Every family against transformers on random configs, and proof that the comparison sees a wrong choice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from benchmarks import parity

from fragua.models.config import Stack
from fragua.models.io import FAMILIES


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Two threads only slow these sizes down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("family", parity.DRAWERS)
def test_random_configs_agree_with_transformers_there_and_back(family: str) -> None:
    parity.sweep(family, 5)


MUTANTS: list[tuple[str, dict[str, Any]]] = [
    ("gpt2", {"activation": "gelu"}),
    ("gpt2", {"norm_eps": 1e-3}),
    ("llama", {"norm_eps": 1e-3}),
    ("llama", {"rope_theta": 9_000.0}),
    ("llama", {"rope_scaling": None}),
    ("mistral", {"window": 6}),
    ("qwen2", {"window_from": 1}),
    ("qwen3", {"window": 4}),
    ("bert", {"norm_eps": 1e-3}),
    ("bert", {"activation": "gelu_new"}),
    ("roberta", {"pad_id": 2}),
    ("t5", {"scale": None}),
    ("t5", {"output_scale": 1.0}),
    ("t5", {"relative_distance": 64}),
    ("mt5", {"activation": "gelu"}),
    ("xlnet", {"relative_distance": 3}),
    ("xlnet", {"scale": 1.0}),
    ("xlnet", {"memory": 5}),
]


@pytest.mark.parametrize(("family", "change"), MUTANTS, ids=lambda value: str(value))
def test_a_wrong_choice_does_not_pass(
    family: str, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = FAMILIES[family]
    right = module.from_config

    def wrong(*arguments: Any) -> Stack:
        stack: Stack = right(*arguments)
        return stack.model_copy(update=change)

    monkeypatch.setattr(module, "from_config", wrong)
    with pytest.raises((AssertionError, RuntimeError)):
        parity.sweep(family, 25)
