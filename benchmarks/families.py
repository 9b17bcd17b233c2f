"""How fast does a training step of each family go, beside transformers' with SDPA on the same weights?

Forward, backward and fused AdamW in float32, without dropout, on the same ids; alternating rounds in one process.
Encoders are padded as real batches are (rows a quarter full to full): there this project computes the real tokens
only, and transformers what it is given. Decoders and encoder-decoders have no padding. XLNet is measured with a
permutation and two streams.

    fragua bench families
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn import functional as F

from fragua.models.calls import Decoder
from fragua.models.encoder import Encoder
from fragua.models.encoder_decoder import EncoderDecoder
from fragua.models.io import load
from fragua.training.machine import device
from fragua.training.rows import summed_loss

ROUNDS, STEPS, ROWS, TIME = 15, 2, 8, 128
VOCABULARY, WIDTH, LAYERS, HEADS = 4096, 256, 4, 4
Step = Callable[[], float]


def peers() -> dict[str, Any]:
    """One model of each family, all of one size."""
    common = dict(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=TIME + 2,
    )
    gated = dict(intermediate_size=3 * WIDTH, num_key_value_heads=HEADS // 2, **common)
    plain = dict(
        intermediate_size=4 * WIDTH, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **common
    )
    quiet = dict(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    t5 = dict(d_model=WIDTH, d_kv=WIDTH // HEADS, d_ff=4 * WIDTH, num_heads=HEADS, dropout_rate=0.0)
    configs = {
        "gpt2": transformers.GPT2Config(
            vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, n_positions=TIME, **quiet
        ),
        "llama": transformers.LlamaConfig(**gated),
        "mistral": transformers.MistralConfig(**gated, sliding_window=TIME // 2),
        "qwen2": transformers.Qwen2Config(**gated),
        "qwen3": transformers.Qwen3Config(**gated, head_dim=WIDTH // HEADS),
        "bert": transformers.BertConfig(**plain),
        "roberta": transformers.RobertaConfig(**plain),
        "t5": transformers.T5Config(vocab_size=VOCABULARY, num_layers=LAYERS // 2, **t5),
        "mt5": transformers.MT5Config(vocab_size=VOCABULARY, num_layers=LAYERS // 2, **t5),
        "xlnet": transformers.XLNetConfig(
            vocab_size=VOCABULARY, d_model=WIDTH, n_layer=LAYERS, n_head=HEADS, d_inner=4 * WIDTH, dropout=0.0
        ),
    }
    autos: dict[str, Any] = dict.fromkeys(configs, transformers.AutoModelForCausalLM)
    autos |= dict.fromkeys(("bert", "roberta"), transformers.AutoModelForMaskedLM)
    autos |= dict.fromkeys(("t5", "mt5"), transformers.AutoModelForSeq2SeqLM)
    torch.manual_seed(0)
    return {family: autos[family].from_config(config) for family, config in configs.items()}


def inputs(family: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, VOCABULARY, (ROWS, TIME), generator=generator)
    given = {"input_ids": ids}
    if family in ("bert", "roberta"):
        lengths = torch.linspace(TIME // 4, TIME, ROWS).long()[torch.randperm(ROWS, generator=generator)]
        given["attention_mask"] = (torch.arange(TIME) < lengths[:, None]).long()
        given["input_ids"] = ids.masked_fill(given["attention_mask"] == 0, 0 if family == "bert" else 1)
    if family in ("t5", "mt5"):
        given["decoder_input_ids"] = ids.flip(0)
    if family == "xlnet":
        order = torch.rand(ROWS, TIME, generator=generator).argsort(1)
        given["perm_mask"] = (order[:, :, None] <= order[:, None, :]).float()
        asked = torch.stack([torch.randperm(TIME, generator=generator)[: TIME // 6] for _ in range(ROWS)])
        given["target_mapping"] = F.one_hot(asked, TIME).float()
    return given


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten())


def stepper(model: Any, loss_of: Callable[[], Tensor]) -> Step:
    """Forward, backward and update; returns the loss, which waits for the device."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> float:
        loss = loss_of()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


def runners(family: str, peer: Any, on: torch.device) -> dict[str, Step]:
    """The step of each side, from the same weights on the same batch."""
    with tempfile.TemporaryDirectory() as folder:
        peer.save_pretrained(folder)
        ours = load(folder).to(on).train()
    peer = peer.to(on).train()
    given = {name: each.to(on) for name, each in inputs(family).items()}
    mask = given.get("attention_mask")
    ids = given["input_ids"]
    if family == "xlnet":
        ids = ids.gather(1, given["target_mapping"].argmax(2))
    targets = ids if mask is None else ids[mask.bool()]

    def theirs() -> Tensor:
        logits = peer(**given).logits
        return cross_entropy(logits if mask is None else logits[mask.bool()], targets)

    def mine() -> Tensor:
        if isinstance(ours, Encoder) and mask is not None:
            return cross_entropy(
                ours.head(ours.before_head(ours.real_states(given["input_ids"], mask))), targets
            )
        if isinstance(ours, Decoder | EncoderDecoder):  # as the trainer does
            x_BTD = (
                ours.hidden(ids)
                if isinstance(ours, Decoder)
                else ours.transformer(given["decoder_input_ids"], source=ours.source(ours.encode(ids)))
            )
            return summed_loss(ours, x_BTD.flatten(0, 1), ids.flatten()) / ids.numel()
        return cross_entropy(ours(**given).logits, targets)

    return {"fragua": stepper(ours, mine), "transformers": stepper(peer, theirs)}


def main() -> dict[str, Any]:
    logging.getLogger("transformers").setLevel(logging.ERROR)
    on = device()
    ratios, spread, best, rates = {}, {}, {}, {}
    for family, peer in peers().items():
        sides = runners(family, peer, on)
        first = {name: step() for name, step in sides.items()}
        assert abs(first["fragua"] - first["transformers"]) < 1e-3, f"{family}: the losses differ, {first}"
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, step in sides.items():
                start = time.perf_counter()
                for _ in range(STEPS):
                    step()
                seconds[name].append((time.perf_counter() - start) / STEPS)
        each = [b / a for a, b in zip(seconds["fragua"], seconds["transformers"], strict=True)]
        ratios[family] = round(statistics.median(each), 3)
        spread[family] = [round(min(each), 3), round(max(each), 3)]
        best[family] = round(min(seconds["transformers"]) / min(seconds["fragua"]), 3)
        rates[family] = {name: round(1000 * statistics.median(s), 1) for name, s in seconds.items()}
        shown = f"{spread[family][0]} to {spread[family][1]}; their best to ours {best[family]}"
        print(f"{family}: {ratios[family]:.2f} times as fast ({shown})")
    return {
        "ratios": ratios,
        "ratio_spread": spread,
        "ratios_of_best": best,
        "step_ms": rates,
        "rows": ROWS,
        "time": TIME,
        "width": WIDTH,
        "layers": LAYERS,
        "rounds": ROUNDS,
    }
