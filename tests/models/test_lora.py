"""LoRA: PEFT reads our adapters and we read its, with the same logits, on every family; nothing unsupported passes."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from benchmarks import parity, random_peers
from hypothesis import HealthCheck, Phase, given, settings
from safetensors.torch import load_file, save_file
from torch import Tensor

from fragua.errors import InputError
from fragua.files import read_json, write_json
from fragua.models.io import load, load_model
from fragua.models.linear import Int8Linear, Linear
from fragua.models.lora import Lora, adapt, adapted, load_adapter, merge, save_adapter
from tests.tiny_model import write_tiny

LIMIT = 1e-5


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Two threads only slow these sizes down; PEFT tells what it knows of Conv1D at length."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch.set_num_threads(threads)


@torch.no_grad()
def stir(parameters: Iterator[Tensor] | list[Tensor], scale: float = 0.3) -> None:
    generator = torch.Generator().manual_seed(5)
    for parameter in parameters:
        parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))


def each_peer(family: str, check: Callable[[Any, Path], None], examples: int = 3) -> None:
    @settings(
        max_examples=examples,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(peer=random_peers.peers(family))
    def run(peer: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            peer.save_pretrained(Path(folder) / "base")
            check(peer, Path(folder))

    run()


def same(family: str, ours: Any, theirs: Any, given: dict[str, Tensor], what: str) -> None:
    real = parity.real_places(family, given)
    with torch.no_grad():
        mine, wanted = (parity.main_result(model(**given))[real] for model in (ours, theirs))
    parity.close(mine, wanted, LIMIT, what)


@pytest.mark.parametrize("family", random_peers.DRAWERS)
def test_peft_reads_our_adapter_with_the_same_logits_and_merging_changes_none(family: str) -> None:
    def check(peer: Any, folder: Path) -> None:
        given = random_peers.inputs(family, peer, torch.Generator().manual_seed(7))
        ours = load(folder / "base")
        if family in ("t5", "mt5") and not ours.config.tied:
            return  # transformers reads such a file as tied
        with torch.no_grad():
            before = parity.main_result(ours(**given))
        adapt(ours, Lora(rank=3, alpha=5.0))
        layers = adapted(ours).values()
        with torch.no_grad():
            parity.close(parity.main_result(ours(**given)), before, 1e-6, "a fresh change")
        stir([layer.up_OR for layer in layers])
        save_adapter(ours, folder / "adapter", "base")
        theirs = peft.PeftModel.from_pretrained(peer, folder / "adapter").eval()
        same(family, ours, theirs.base_model.model, given, "PEFT")
        with torch.no_grad():
            moved = (parity.main_result(ours(**given)) - before).abs().max()
        assert moved > 1e-2, "the change is too small to show a difference"
        merge(ours)
        assert not adapted(ours) and all(parameter.requires_grad for parameter in ours.parameters())
        same(family, ours, theirs.base_model.model, given, "merged")

    each_peer(family, check)


@pytest.mark.parametrize("family", random_peers.DRAWERS)
def test_an_adapter_of_peft_is_read_with_the_same_logits(family: str) -> None:
    def check(peer: Any, folder: Path) -> None:
        given = random_peers.inputs(family, peer, torch.Generator().manual_seed(7))
        ours = load(folder / "base")
        if family in ("t5", "mt5") and not ours.config.tied:
            return
        some = {"xlnet": ["layer_2"], "gpt2": ["c_fc"], "bert": ["value"], "roberta": ["value"]}
        few = some.get(family, ["v"] if "t5" in family else ["v_proj", "up_proj"])
        config = peft.LoraConfig(r=2, lora_alpha=3, use_rslora=True, target_modules=few)
        theirs = peft.get_peft_model(peer, config).eval()
        stir([value for name, value in theirs.named_parameters() if "lora_B" in name])
        theirs.save_pretrained(folder / "adapter")
        load_adapter(ours, folder / "adapter")
        same(family, ours, theirs.base_model.model, given, "read")

    each_peer(family, check, 2)


def test_an_eight_bit_base_passes_the_gradients_of_what_it_stands_for() -> None:
    layer = Linear(24, 10)
    small = Int8Linear(layer)
    assert (small.weight - layer.weight).abs().max() <= small.scale.max() / 2 + 1e-7
    x, again = (torch.randn(3, 5, 24, generator=torch.Generator().manual_seed(0)) for _ in range(2))
    x.requires_grad_(True), again.requires_grad_(True)
    exact = torch.nn.functional.linear(again, small.weight, layer.bias)
    torch.testing.assert_close(small(x), exact)
    torch.testing.assert_close(small.rows(x, 2, 6), exact[..., 2:6])
    small(x).square().sum().backward()
    exact.square().sum().backward()
    torch.testing.assert_close(x.grad, again.grad)
    with torch.autocast("cpu", torch.bfloat16):
        small(x).float().sum().backward()
    assert sum(part.numel() * part.element_size() for part in small.buffers()) < 1.5 * 24 * 10


def test_only_the_changes_are_trained_with_either_base(tmp_path: Path) -> None:
    for int8 in (False, True):
        model = load_model(write_tiny(tmp_path / "tiny"))
        adapt(model, Lora(rank=2), int8=int8)
        model(torch.arange(6)[None]).logits.sum().backward()
        trained = {name for name, value in model.named_parameters() if value.grad is not None}
        assert trained == {name for name, _ in model.named_parameters() if name.endswith(("_PRD", "_OR"))}


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    model = load_model(write_tiny(tmp_path / "tiny"))
    adapt(model, Lora(rank=2))
    save_adapter(model, tmp_path / "adapter", "tiny")
    return tmp_path / "adapter"


REFUSED = [
    ({"peft_type": "IA3"}, "peft_type = 'IA3'"),
    ({"use_dora": True}, "use_dora = True"),
    ({"rank_pattern": {"q_proj": 4}}, "rank_pattern"),
    ({"init_lora_weights": "pissa"}, "changes the base"),
    ({"r": 0}, "rank"),
    ({"r": 3}, "has shape"),
]


@pytest.mark.parametrize(("change", "told"), REFUSED, ids=lambda value: str(value)[:24])
def test_what_would_change_the_result_is_refused_by_name(
    adapter: Path, change: dict[str, Any], told: str
) -> None:
    path = adapter / "adapter_config.json"
    write_json(path, read_json(path) | change)
    with pytest.raises(InputError, match=told):
        load_adapter(load_model(adapter.parent / "tiny"), adapter)


def test_a_broken_or_foreign_adapter_is_named(adapter: Path) -> None:
    def refused(told: str) -> None:
        with pytest.raises(InputError, match=told):
            load_adapter(load_model(adapter.parent / "tiny"), adapter)

    file = adapter / "adapter_model.safetensors"
    whole, tensors = file.read_bytes(), load_file(file)
    name = next(iter(tensors))
    for tried, told in (
        ({"base_model.model.nowhere.lora_A.weight": tensors[name].clone()}, "fits no layer"),
        ({name: torch.full_like(tensors[name], torch.nan)}, "not finite"),
    ):
        save_file(tensors | tried, file)
        refused(told)
    save_file({key: value for key, value in tensors.items() if key != name}, file)
    refused("is missing")
    file.write_bytes(whole[: len(whole) // 2])
    refused("cannot be read")
    file.unlink()
    refused(r"no adapter_model\.safetensors")
    with pytest.raises(InputError, match=r"no adapter_config\.json"):
        load_adapter(load_model(adapter.parent / "tiny"), adapter.parent)


def test_changes_are_not_put_beside_changes(adapter: Path) -> None:
    model = load_model(adapter.parent / "tiny")
    load_adapter(model, adapter)
    with pytest.raises(InputError, match="merge them first"):
        adapt(model, Lora())
