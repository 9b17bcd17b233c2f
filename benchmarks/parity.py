"""Does every family give what transformers gives? Random configs, on the same weights, both ways.

For each config that is drawn: a model of transformers with random weights (gains around 1, logits above 1, so that a
wrong epsilon or activation shows) is saved, loaded here, and compared: logits, all hidden states and attentions within
1e-4, gradients of the loss within 1e-3 of their largest; then it is saved here, and transformers loads it with no
missing and no unexpected key. Inputs are padded left and right and have token types, permutations and memories where
the family knows them.

    fragua bench parity
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import torch
from benchmarks.random_peers import DRAWERS, HEADED, inputs, peers
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from torch import Tensor

from fragua.models.calls import Model
from fragua.models.io import load, save_model

EXAMPLES = 20
LOGITS, GRADIENTS = 1e-4, 1e-3
FEW = 16
"""So few labels may all be small by chance: another model is drawn."""


def compare(family: str, peer: Any, folder: Path) -> None:
    """Raises AssertionError where anything differs."""
    peer.save_pretrained(folder / "theirs")
    ours = load(folder / "theirs")
    assert sum(p.numel() for p in ours.parameters()) == ours.config.parameters(), "parameters() is wrong"
    generator = torch.Generator().manual_seed(7)
    given = inputs(family, peer, generator)
    compare_outputs(family, ours, peer, given)
    if family == "xlnet" and "perm_mask" in given:
        compare_memories(ours, peer, given)
    save_model(ours, folder / "ours")
    again, report = type(peer).from_pretrained(folder / "ours", output_loading_info=True, dtype=torch.float32)
    untied = family in ("t5", "mt5") and hasattr(peer, "lm_head") and not ours.config.tied
    unexpected = set(report["unexpected_keys"]) - ({"lm_head.weight"} if untied else set())
    assert not report["missing_keys"] and not unexpected, report
    if not untied:
        with torch.no_grad():
            wanted = main_result(peer(**given))
            real = of(wanted, real_places(family, given))
            close(main_result(again.eval()(**given))[real], wanted[real], 1e-5, "saved here")


def compare_outputs(family: str, ours: Model, peer: Any, given: dict[str, Tensor]) -> None:
    wanted = peer(**given, output_hidden_states=True, output_attentions=True)
    found = ours(**given, output_hidden_states=True, output_attentions=True)
    fast = ours(**given)
    real = real_places(family, given)
    for name in (
        "logits",
        "prediction_logits",
        "seq_relationship_logits",
        "last_hidden_state",
        "pooler_output",
    ):
        theirs = getattr(wanted, name, None)
        if theirs is not None:
            these = of(theirs, real)
            close(getattr(found, name)[these], theirs[these], LOGITS, name)
            close(getattr(fast, name)[these], theirs[these], LOGITS, f"{name} on the fast path")
    for name in ("hidden_states", "decoder_hidden_states", "encoder_hidden_states"):
        theirs = getattr(wanted, name, None) or ()
        mine = getattr(found, name) or ()
        assert len(mine) == len(theirs), f"{len(theirs)} {name} are wanted, {len(mine)} came"
        for number, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            close(a[real], b[real], LOGITS, f"{name}[{number}]")
    compare_attentions(found, wanted, real)
    real = of(main_result(wanted), real)
    result = main_result(wanted)[real]
    large = bool(result.abs().max() > 1)
    assume(large or result.numel() >= FEW)
    assert large, "logits too small to show a difference"
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(8))
    for output in (main_result(fast)[real], result):
        (output.log_softmax(-1) * weights).mean().backward()
    compare_gradients(ours, peer)


def real_places(family: str, given: dict[str, Tensor]) -> Any:
    """What a causal model makes of padding is no one's business; the others agree even there."""
    causal = family in ("gpt2", "llama", "mistral", "qwen2", "qwen3")
    return given["attention_mask"].bool() if causal else ...


def of(result: Tensor, real: Any) -> Any:
    """`real`, or all of what is told of whole texts."""
    return real if real is ... or result.ndim == 3 else ...


def compare_attentions(found: Any, wanted: Any, real: Any) -> None:
    for name in ("attentions", "decoder_attentions", "cross_attentions", "encoder_attentions"):
        for mine, theirs in zip(getattr(found, name) or (), getattr(wanted, name, None) or (), strict=True):
            if isinstance(theirs, tuple):  # two streams: content, and asking rows by position
                theirs = theirs[0]
                mine = mine[:, :, : theirs.shape[2]]
            if real is not ...:
                mine, theirs = (each.transpose(1, 2)[real] for each in (mine, theirs))
            close(mine, theirs, LOGITS, name)


def compare_gradients(ours: Model, peer: Any) -> None:
    """The gradients of every matrix, as transformers lays them out."""
    from fragua.models.io import FAMILIES
    from fragua.models.weights import their_layout

    theirs = dict(peer.named_parameters())
    mine = dict(ours.named_parameters())
    prefixes = FAMILIES[ours.config.family].PREFIXES
    compared = 0
    for row in FAMILIES[ours.config.family].table(ours.config):
        gradient = mine[row.ours].grad
        names = [next(n for n in (name, *(p + name for p in prefixes)) if n in theirs) for name in row.theirs]
        if gradient is None:
            assert all(theirs[name].grad is None or not theirs[name].grad.any() for name in names), row.ours
            continue
        for name, part in zip(names, their_layout(row, gradient), strict=True):
            wanted = theirs[name].grad
            close(
                part, torch.zeros_like(part) if wanted is None else wanted, GRADIENTS, f"gradient of {name}"
            )
            compared += 1
    assert compared > len(ours.transformer.blocks), "hardly any gradient was compared"


@torch.no_grad()
def compare_memories(ours: Model, peer: Any, given: dict[str, Tensor]) -> None:
    """A second segment that remembers the first; then without permutation, and without types."""
    found, wanted = ours(**given, use_mems=True), peer(**given, use_mems=True)
    for mine, theirs in zip(found.mems, wanted.mems, strict=True):
        close(mine, theirs, LOGITS, "mems")
    for names in (
        given.keys(),
        {"input_ids", "token_type_ids"},
        {"input_ids", "attention_mask"},
        {"input_ids"},
    ):
        some = {name: given[name] for name in names}
        mine, theirs = ours(**some, mems=found.mems), peer(**some, mems=wanted.mems)
        close(main_result(mine), main_result(theirs), LOGITS, f"with memory, {sorted(names)}")


def main_result(output: Any) -> Tensor:
    for name in ("logits", "prediction_logits", "last_hidden_state"):
        value = getattr(output, name, None)
        if value is not None:
            return value
    raise AssertionError("no result")


def close(mine: Tensor, theirs: Tensor, tolerance: float, what: str) -> None:
    """Equal to `tolerance`, absolutely and of the largest value."""
    limit = tolerance * max(1.0, theirs.abs().max().item())
    difference = (mine - theirs).abs().max().item()
    assert mine.shape == theirs.shape and difference <= limit, f"{what} differs by {difference:.2g}"


def sweep(family: str, examples: int, number: int | None = None, classes: list[str] | None = None) -> None:
    """Draws `examples` models and compares each. Raises AssertionError at the first that differs."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=number is None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(peer=peers(family, classes))
    def check(peer: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            compare(family, peer, Path(folder))

    (check if number is None else seed(number)(check))()


def main() -> dict[str, Any]:
    logging.getLogger("transformers").setLevel(logging.ERROR)
    passed = {}
    for family in DRAWERS:
        sweep(family, EXAMPLES, number=len(passed))
        if family in HEADED:
            sweep(family, EXAMPLES, number=len(passed), classes=HEADED[family])
        passed[family] = EXAMPLES * (1 + (family in HEADED))
        print(f"{family}: {passed[family]} random configs agree")
    return {"configs": passed, "tolerance_logits": LOGITS, "tolerance_gradients": GRADIENTS}
