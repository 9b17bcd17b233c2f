"""Muon for the matrices inside the blocks, AdamW for everything else."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fragua.models.calls import Model

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients a, b, c of X <- a X + b (X Xᵀ) X + c (X Xᵀ)² X (Jordan et al. 2024, Muon)."""


def orthogonalise(m_MRC: Tensor, dtype: torch.dtype, steps: int = 5) -> Tensor:
    """Nearest semi-orthogonal matrix, roughly: singular values end between 0.7 and 1.2. A batch of M matrices."""
    a, b, c = NEWTON_SCHULZ
    tall = m_MRC.shape[1] > m_MRC.shape[2]
    x = (m_MRC.mT if tall else m_MRC).to(dtype)
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised (Jordan et al. 2024), scaled so that its root mean square is AdamW's: 0.2 √max(R, C)
    (Liu et al. 2025, 2502.16982, eq. 4). A group's `parts` are the row counts of matrices fused in one parameter,
    each orthogonalised on its own; all of one shape go through in one batch."""

    def __init__(
        self,
        matrices: Iterable[tuple[nn.Parameter, list[int]]],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ):
        groups = [{"params": [parameter], "parts": parts} for parameter, parts in matrices]
        super().__init__(groups, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        by_shape: dict[tuple[int, ...], list[tuple[Tensor, Tensor, dict[str, Any]]]] = defaultdict(list)
        for group in self.param_groups:
            (parameter,) = group["params"]
            if parameter.grad is None:
                continue
            buffer = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
            buffer.lerp_(parameter.grad, 1 - group["momentum"])
            nesterov = parameter.grad.lerp(buffer, group["momentum"])
            for target, update in zip(
                parameter.split(group["parts"]), nesterov.split(group["parts"]), strict=True
            ):
                by_shape[tuple(target.shape)].append((target, update, group))
        for (rows, columns), items in by_shape.items():
            updates = orthogonalise(torch.stack([update for _, update, _ in items]), self.dtype)
            for (target, _, group), update in zip(items, updates, strict=True):
                target.mul_(1 - group["lr"] * group["weight_decay"])
                target.add_(update, alpha=-0.2 * max(rows, columns) ** 0.5 * group["lr"])


def block_matrices(model: Model) -> list[tuple[nn.Parameter, list[int]]]:
    """Every matrix inside the blocks that is not frozen, with the row counts of the matrices fused in it."""
    config = model.config
    query, key = config.heads * config.head_width, config.kv_heads * config.head_width
    fused = {"qkv": [query, key, key], "gate_up": [config.ffn_width, config.ffn_width]}
    return [
        (parameter, fused.get(name.split(".")[-2], [parameter.shape[0]]))
        for block in model.blocks()
        for name, parameter in block.named_parameters()
        if parameter.ndim == 2 and parameter.requires_grad
    ]


def make_optimizers(
    model: Model,
    kind: Literal["muon", "adamw"],
    learning_rate: float,
    weight_decay: float,
    dtype: torch.dtype,
    rates: Mapping[str, float] | None = None,
    momentum: float = 0.95,
) -> list[torch.optim.Optimizer]:
    """Muon (blocks) and AdamW (embeddings, head, norms), or AdamW alone. Only matrices inside blocks decay.

    `rates`: of AdamW's parameters by name, as shares of the learning rate."""
    matrices = block_matrices(model)
    inside = {id(parameter) for parameter, _ in matrices}
    outside = [each for each in model.parameters() if each.requires_grad and id(each) not in inside]
    adamw: list[dict[str, Any]] = [{"params": outside, "weight_decay": 0.0}]
    if kind == "adamw":
        adamw.append({"params": [parameter for parameter, _ in matrices], "weight_decay": weight_decay})
    shares = {id(parameter): (rates or {}).get(name, 1.0) for name, parameter in model.named_parameters()}
    adamw = [part for group in adamw for part in _by_share(group, shares)]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(adamw, lr=learning_rate, betas=(0.9, 0.95), eps=1e-8, fused=True)
    ]
    if kind == "muon":
        optimizers.append(Muon(matrices, learning_rate, momentum, weight_decay, dtype))
    return optimizers


def _by_share(group: dict[str, Any], shares: Mapping[int, float]) -> list[dict[str, Any]]:
    """A group as several, one for each share of the learning rate."""
    parts: dict[float, list[nn.Parameter]] = defaultdict(list)
    for parameter in group["params"]:
        parts[shares[id(parameter)]].append(parameter)
    return [group | {"params": parameters, "share": share} for share, parameters in parts.items()]


BLOCK = re.compile(r"(encoder|transformer)\.blocks\.(\d+)\.")


def layer_rates(model: Model, decay: float, head: float) -> dict[str, float]:
    """By name: `head` for what stands on the body, 1 for its last block and norm, and `decay` times less for each block
    below; embeddings are below all (Howard & Ruder 2018, 1801.06146, section 3.2). A decoder stands on its encoder."""
    config, rates = model.config, {}
    for name, _ in model.named_parameters():
        if not name.startswith(("encoder.", "transformer.")):
            rates[name] = head
        elif block := BLOCK.match(name):
            below = config.encoder_layers if block[1] == "transformer" else 0
            rates[name] = decay ** (config.encoder_layers + config.layers - 1 - below - int(block[2]))
        elif name.startswith("transformer.norm."):
            rates[name] = 1.0
        else:
            above_encoder = name.startswith("encoder.norm.")
            rates[name] = decay ** (config.layers + config.encoder_layers * (not above_encoder))
    return rates
