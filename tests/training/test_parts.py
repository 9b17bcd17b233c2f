"""The trainer's pure parts against oracles: torch's own loss and Muon, the schedule's corners."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fragua.models import Decoder, decoder_config, initialise
from fragua.training.cross_entropy import IGNORE, chunked_cross_entropy
from fragua.training.machine import measure
from fragua.training.optimizers import Muon, block_matrices, make_optimizers, orthogonalise
from fragua.training.schedule import wsd


@settings(max_examples=30)
@given(rows=st.integers(1, 40), chunk=st.integers(1, 50), ignored=st.integers(0, 40), seed=st.integers(0, 99))
def test_chunked_cross_entropy_and_its_gradients_are_torchs(
    rows: int, chunk: int, ignored: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, weight = (torch.randn(n, 8, generator=generator, requires_grad=True) for n in (rows, 23))
    targets = torch.randint(0, 23, (rows,), generator=generator)
    targets[:ignored] = IGNORE
    ours = chunked_cross_entropy(x, weight, targets, chunk)
    theirs = F.cross_entropy(x @ weight.mT, targets, ignore_index=IGNORE, reduction="sum")
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)
    grads = torch.autograd.grad(ours * 0.3, (x, weight))
    for grad, wanted in zip(grads, torch.autograd.grad(theirs * 0.3, (x, weight)), strict=True):
        torch.testing.assert_close(grad, wanted, atol=1e-5, rtol=1e-4)


def test_cross_entropy_under_autocast_is_that_of_products_in_bfloat16() -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(n, 8, generator=generator, requires_grad=True) for n in (6, 23))
    targets = torch.randint(0, 23, (6,), generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        ours = chunked_cross_entropy(x, weight, targets, 4)
        theirs = F.cross_entropy((x @ weight.mT).float(), targets, reduction="sum")
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)
    grads = torch.autograd.grad(ours, (x, weight))
    for grad, wanted in zip(grads, torch.autograd.grad(theirs, (x, weight)), strict=True):
        torch.testing.assert_close(grad, wanted, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("shape", [(3, 40, 16), (2, 16, 40), (1, 24, 24)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_orthogonalised_singular_values_are_near_one_and_their_vectors_stay(
    shape: tuple[int, int, int], dtype: torch.dtype
) -> None:
    matrix = 1e-6 * torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, before, right = torch.linalg.svd(matrix, full_matrices=False)
    within = left.mT @ orthogonalise(matrix, dtype) @ right.mT
    after = within.diagonal(dim1=1, dim2=2)
    large = before > 0.02 * before.amax(1, keepdim=True)
    assert after[large].min() > 0.65 and after.max() < 1.3
    assert (within - torch.diag_embed(after)).abs().max() < (1e-4 if dtype == torch.float32 else 0.05)


@pytest.mark.parametrize("shape", [(3, 40, 16), (2, 16, 40), (1, 24, 24)])
def test_newton_schulz_brings_all_singular_values_near_one(shape: tuple[int, int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrix, torch.float32))
    assert values.min() > 0.6 and values.max() < 1.3


def test_no_gradient_is_no_step() -> None:
    assert orthogonalise(torch.zeros(1, 4, 6), torch.float32).eq(0).all()


def test_muon_steps_as_torchs_muon_does() -> None:
    generator = torch.Generator().manual_seed(0)
    start, grads = torch.randn(48, 16, generator=generator), torch.randn(5, 48, 16, generator=generator)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    mine = Muon([(ours, [48])], lr=0.02, momentum=0.95, weight_decay=0.1, dtype=torch.bfloat16)
    peer = torch.optim.Muon(
        [theirs], lr=0.02, momentum=0.95, weight_decay=0.1, nesterov=True, adjust_lr_fn="match_rms_adamw"
    )
    for grad in grads:
        ours.grad, theirs.grad = grad.clone(), grad.clone()
        mine.step()
        peer.step()
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=2e-2)
    assert (ours - start).abs().max() > 0.01


def test_fused_matrices_are_orthogonalised_apart() -> None:
    generator = torch.Generator().manual_seed(1)
    start, grad = torch.randn(24, 8, generator=generator), torch.randn(24, 8, generator=generator)
    fused, parts = nn.Parameter(start.clone()), [nn.Parameter(part.clone()) for part in start.split([8, 16])]
    fused.grad = grad
    for part, piece in zip(parts, grad.split([8, 16]), strict=True):
        part.grad = piece
    Muon([(fused, [8, 16])], lr=0.1).step()
    Muon([(parts[0], [8]), (parts[1], [16])], lr=0.1).step()
    torch.testing.assert_close(fused.detach(), torch.cat([part.detach() for part in parts]))


def test_every_parameter_has_exactly_one_optimizer() -> None:
    model = Decoder(decoder_config(2, 512, tied=False))
    for kind in ("muon", "adamw"):
        optimizers = make_optimizers(model, kind, 0.01, 0.1, torch.float32)
        owned = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
        assert len(owned) == len(set(map(id, owned))) == len(list(model.parameters()))
    query = model.config.heads * model.config.head_width
    assert [query, query, query] in [parts for _, parts in block_matrices(model)]


@given(steps=st.integers(1, 300), warmup=st.integers(0, 50), decay=st.floats(0, 1))
def test_the_schedule_rises_stays_and_falls(steps: int, warmup: int, decay: float) -> None:
    rates = [wsd(step, steps, warmup, decay) for step in range(steps)]
    top = rates.index(max(rates))
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_the_first_loss_of_a_fresh_model_is_that_of_guessing() -> None:
    model = Decoder(decoder_config(2, 512, tied=False))
    initialise(model, 0)
    ids = torch.randint(0, 512, (4, 32))
    loss = F.cross_entropy(model(ids).logits.flatten(0, 1), ids.flatten())
    assert abs(loss.item() - torch.log(torch.tensor(512.0)).item()) < 0.3


def test_the_machine_is_measured() -> None:
    found = measure()
    assert found["cores"] >= 1 and found["memory_bytes"] > 2**28 and found["disk_free_bytes"] > 0
    assert found["peak_flops"]["float32"] > 1e9
    faster = found["peak_flops"]["bfloat16"] > found["peak_flops"]["float32"]
    assert faster or found["precision"] == "float32"
