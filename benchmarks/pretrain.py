"""How fast does pretraining go, beside transformers' model of the same shape?

The same parameters, optimiser (AdamW, fused), rows of tokens and cross-entropy over every position, no dropout, in one
process: five rounds, each of a few steps of every runner in turn. Compile time is told apart. Where bfloat16 is
emulated (processors without AVX-512 or AMX) its runner takes one row a step, to end at all. On a GPU the shape is
124 M parameters at context 1,024, and MFU against the measured bfloat16 matrix peak is the figure.

    fragua bench pretrain
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from fragua.models import Decoder, Stack, decoder_config, initialise
from fragua.models.families import llama
from fragua.training.cross_entropy import chunked_cross_entropy
from fragua.training.machine import DTYPES, Precision, compiler, device, fastest, matrix_peaks

ROUNDS = 5
STEPS = 4
EMULATED_SHARE = 0.1
"""bfloat16 under this share of the float32 peak is emulated."""


def shape(on: torch.device) -> tuple[Stack, int]:
    """About 7 M parameters at context 256 and 16 rows; on a GPU GPT-2's 124 M at 1,024 and 32 rows."""
    if on.type == "cuda":
        return decoder_config(12, 50_304, 1024, width=768, ffn_width=2048), 32
    return decoder_config(5, 3072, 256), 16


def optimizer(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)


class Ours:
    """This project: per-block compilation where there is a compiler, the faster precision, chunked cross-entropy."""

    def __init__(self, config: Stack, precision: Precision, on: torch.device):
        self.precision, self.on = precision, on
        self.model = Decoder(config).to(on).train()
        initialise(self.model, 0)
        if compiler() or on.type == "cuda":
            for block in self.model.transformer.blocks:
                block.compile(dynamic=False)
        self.optimizer = optimizer(self.model)

    def step(self, ids_BT: torch.Tensor) -> float:
        """Returns the loss, which waits for the device."""
        with torch.autocast(self.on.type, DTYPES[self.precision], enabled=self.precision != "float32"):
            x_BTD = self.model.hidden(ids_BT[:, :-1])
            loss = chunked_cross_entropy(x_BTD.flatten(0, 1), self.model.head.weight, ids_BT[:, 1:].flatten())
            loss = loss / ids_BT[:, 1:].numel()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()


class Peer:
    """transformers' Qwen3 of the same shape: eager or compiled, float32 or bfloat16 under autocast."""

    def __init__(self, config: Stack, compiled: bool, half: bool, on: torch.device):
        values = {key: value for key, value in llama.to_config(config).items() if key != "rope_theta"}
        self.model = Qwen3ForCausalLM(Qwen3Config(**values)).to(on).train()
        self.on, self.half = on, half
        self.forward: Callable[..., Any] = (
            torch.compile(self.model, dynamic=False) if compiled else self.model
        )
        self.optimizer = optimizer(self.model)

    def step(self, ids_BT: torch.Tensor) -> float:
        with torch.autocast(self.on.type, torch.bfloat16, enabled=self.half):
            logits = self.forward(input_ids=ids_BT[:, :-1], use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), ids_BT[:, 1:].flatten())
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()


def main() -> dict[str, Any]:
    """Runs the rounds; returns tokens per second, ratios with their spread, compile seconds, peak shares."""
    on = device()
    config, rows = shape(on)
    peaks = matrix_peaks(2.0)
    precision = fastest(peaks)
    generator = torch.Generator().manual_seed(0)
    ids_BT = torch.randint(0, config.vocab_size, (rows, config.context + 1), generator=generator).to(on)
    runners: dict[str, Ours | Peer] = {
        "fragua": Ours(config, precision, on),
        "float32": Peer(config, compiled=False, half=False, on=on),
    }
    if compiler() or on.type == "cuda":
        runners["float32_compile"] = Peer(config, compiled=True, half=False, on=on)
        runners["bf16_compile"] = Peer(config, compiled=True, half=True, on=on)
    emulated = peaks["bfloat16"] < EMULATED_SHARE * peaks["float32"]
    inputs = {name: ids_BT[:1] if emulated and name == "bf16_compile" else ids_BT for name in runners}
    assert sum(p.numel() for p in runners["float32"].model.parameters()) == config.parameters()
    first_s = {}
    for name, runner in runners.items():
        start = time.perf_counter()
        loss = runner.step(inputs[name])
        first_s[name] = time.perf_counter() - start
        print(f"{name}: first step {first_s[name]:.1f} s, loss {loss:.3f}")
    rates: dict[str, list[float]] = {name: [] for name in runners}
    for number in range(ROUNDS):
        for name, runner in runners.items():
            steps = 1 if emulated and name == "bf16_compile" else STEPS
            start = time.perf_counter()
            for _ in range(steps):
                runner.step(inputs[name])
            tokens = steps * inputs[name][:, 1:].numel()
            rates[name].append(tokens / (time.perf_counter() - start))
        print(
            f"round {number + 1}: "
            + ", ".join(f"{name} {rate[-1]:,.0f} tokens/s" for name, rate in rates.items())
        )
    ratios = {
        f"vs_{name}": [a / b for a, b in zip(rates["fragua"], rates[name], strict=True)]
        for name in runners
        if name != "fragua"
    }
    flops, peak = config.flops_per_token(), max(peaks.values())
    shares = {name: statistics.median(rate) * flops / peak for name, rate in rates.items()}
    return {
        "ratios": {name: round(statistics.median(values), 3) for name, values in ratios.items()},
        "ratio_spread": {name: [round(min(v), 3), round(max(v), 3)] for name, v in ratios.items()},
        "ratio_at_the_peak": {
            f"vs_{name}": round(1 / shares[name], 3) for name in runners if name != "fragua"
        },
        "tokens_per_s": {name: round(statistics.median(rate)) for name, rate in rates.items()},
        "peak_share": {name: round(share, 3) for name, share in shares.items()},
        "peak_flops": peaks,
        "mfu": round(shares["fragua"], 3) if on.type == "cuda" else None,
        "bfloat16_emulated": emulated,
        "first_step_s": {name: round(seconds, 1) for name, seconds in first_s.items()},
        "precision": precision,
        "parameters": config.parameters(),
        "flops_per_token": flops,
        "context": config.context,
        "rows": rows,
        "rounds": ROUNDS,
    }
