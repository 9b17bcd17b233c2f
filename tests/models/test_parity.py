"""Every family against transformers on random configs, and proof that the comparison sees a wrong choice."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import transformers
from benchmarks import parity, random_peers

from fragua.models.config import Stack
from fragua.models.encoder import Encoder
from fragua.models.io import FAMILIES, load


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Two threads only slow these sizes down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("family", random_peers.DRAWERS)
def test_random_configs_agree_with_transformers_there_and_back(family: str) -> None:
    parity.sweep(family, 5)


@pytest.mark.parametrize("family", random_peers.HEADED)
def test_heads_of_labels_agree_with_transformers_there_and_back(family: str) -> None:
    for kind in random_peers.HEADED[family]:
        parity.sweep(family, 3, classes=[kind])


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


def test_real_tokens_alone_have_the_states_they_have_beside_padding() -> None:
    for family in ("bert", "roberta"):
        config = getattr(transformers, f"{family.title()}Config")(
            vocab_size=61, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40
        )
        with tempfile.TemporaryDirectory() as folder:
            getattr(transformers, f"{family.title()}ForMaskedLM")(config).save_pretrained(folder)
            model = load(folder)
        assert isinstance(model, Encoder)
        ids = torch.randint(4, 61, (7, 20), generator=torch.Generator().manual_seed(2))
        mask = (torch.arange(20) < torch.tensor([3, 20, 11, 1, 20, 7, 12])[:, None]).long()
        mask[1, :6] = 0  # on the left
        ids = ids.masked_fill(mask == 0, model.config.pad_id or 0)
        wanted = model.states(ids, mask)[mask.bool()]
        for groups in (1, 3, 7, 9):
            torch.testing.assert_close(
                model.real_states(ids, mask, groups=groups), wanted, atol=1e-5, rtol=1e-4
            )
