"""How fast does the engine write, beside transformers and llama.cpp on the same weights, and what bounds it?

Two models of random weights, saved once and read by all (speed does not depend on the weights): 12 layers, width 768,
feed-forward 2048, vocabulary 32,000 (110 M parameters, Llama layout), and one of 3 M. Parts: one request alone on
either; a prompt of 512 tokens; 16 requests at once (prompts of 16 to 512 tokens, answers of 16 to 256, log-uniform,
seed 0), which transformers answers in batches of 8 in order of arrival, padded on the left, each as long as its
longest. Rounds alternate between the runners; all are greedy and on the same threads (OMP_NUM_THREADS). Native code is
deterministic always; `fragua_torch` is the engine without it.

A token written alone reads every weight once: `bytes_per_token` times the rate is a share of the bandwidth that a sum
over a large tensor reaches. bfloat16 is left out where the processor has no instruction for it (it would take minutes).
llama.cpp runs in a process of its own where FRAGUA_LLAMA_CPP names a Python that has it (see two_files.py).
Perplexity: what rounding does to a trained model, which --model names: the whole of a text that was held out.

    FRAGUA_LLAMA_CPP=/path/to/python fragua bench inference
    python -m benchmarks.inference --model runs/laptop/base --data held_out.txt      # with the perplexities
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from benchmarks.two_files import THREADS, ask_peer, bandwidth, random_model

import fragua
from fragua.evaluation.perplexity import perplexity, read_texts
from fragua.inference.engine import Engine, Sampling, TorchRunner
from fragua.inference.export.convert import export_model
from fragua.inference.language_model import LanguageModel
from fragua.models import Stack, decoder_config
from fragua.models.native.library import library
from fragua.models.quantize import weight_bytes
from fragua.tokens.train import train_tokenizer
from fragua.training.machine import EMULATED_FLOPS, matrix_peaks, write_result

TEXT = "Había una vez un hidalgo que vivía en un lugar de la Mancha y leía 37 libros. Once upon a time. "
PROMPT, PREFILL, REQUESTS, BATCH = 32, 512, 16, 8
LLAMA = {"family": "llama", "qk_norm": False}
LARGE = Stack.parse(decoder_config(12, 32_000, 1024, width=768, ffn_width=2048).model_dump() | LLAMA)
SMALL = Stack.parse(decoder_config(6, 2048, 1024, width=192, ffn_width=576).model_dump() | LLAMA)
GREEDY = Sampling(temperature=0.0, ignore_end=True)


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int = 5
    written: int = 64
    written_small: int = 256
    requests: int = REQUESTS


@dataclass
class Request:
    prompt: list[int]
    tokens: int


class Ours:
    def __init__(self, directory: Path, weights: str, **how: Any):
        self.lm = fragua.load(str(directory), weights=weights)
        self.bytes = weight_bytes(self.lm.model)
        self.engine = Engine(self.lm, prefix_cache=False, **how)

    def alone(self, prompt: list[int], tokens: int) -> float:
        ticket = self.engine.submit(prompt, GREEDY.model_copy(update={"max_tokens": tokens + 1}))
        times = [time.perf_counter() for chunk in ticket if chunk.token_ids]
        return tokens / (times[-1] - times[0])

    def prefill(self, prompt: list[int]) -> float:
        start = time.perf_counter()
        self.engine.generate([prompt], GREEDY.model_copy(update={"max_tokens": 1}))
        return len(prompt) / (time.perf_counter() - start)

    def together(self, requests: Sequence[Request]) -> float:
        start = time.perf_counter()
        tickets = [
            self.engine.submit(each.prompt, GREEDY.model_copy(update={"max_tokens": each.tokens}))
            for each in requests
        ]
        written = sum(ticket.result().completion_tokens for ticket in tickets)
        assert written == sum(each.tokens for each in requests), "every token asked for is written"
        return written / (time.perf_counter() - start)


class Clock(transformers.generation.streamers.BaseStreamer):
    """When each token came."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: Any) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        pass


class Transformers:
    def __init__(self, directory: Path, dtype: torch.dtype):
        self.model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=dtype).eval()
        self.model.generation_config.eos_token_id = None
        self.bytes = weight_bytes(self.model)

    def _generate(self, ids_BT: torch.Tensor, tokens: int, **how: Any) -> None:
        with torch.inference_mode():
            self.model.generate(ids_BT, max_new_tokens=tokens, do_sample=False, pad_token_id=0, **how)

    def alone(self, prompt: list[int], tokens: int) -> float:
        clock = Clock()
        self._generate(torch.tensor([prompt]), tokens + 1, streamer=clock)
        return tokens / (clock.times[-1] - clock.times[1])  # the prompt itself comes first

    def prefill(self, prompt: list[int]) -> float:
        start = time.perf_counter()
        with torch.inference_mode():
            self.model(torch.tensor([prompt]), logits_to_keep=1)
        return len(prompt) / (time.perf_counter() - start)

    def together(self, requests: Sequence[Request]) -> float:
        start = time.perf_counter()
        for at in range(0, len(requests), BATCH):
            batch = requests[at : at + BATCH]
            width = max(len(each.prompt) for each in batch)
            ids_BT = torch.zeros(len(batch), width, dtype=torch.long)
            mask_BT = torch.zeros_like(ids_BT)
            for row, each in enumerate(batch):
                ids_BT[row, -len(each.prompt) :] = torch.tensor(each.prompt)
                mask_BT[row, -len(each.prompt) :] = 1
            self._generate(ids_BT, max(each.tokens for each in batch), attention_mask=mask_BT)
        return sum(each.tokens for each in requests) / (time.perf_counter() - start)


class LlamaCpp:
    """One request alone: its process reads the model anew each time, outside of what is measured."""

    def __init__(self, python: str, path: Path):
        self.python, self.path, self.bytes = python, path, path.stat().st_size

    def _speed(self, prompt: list[int]) -> list[float]:
        speeds: list[float] = ask_peer(self.python, self.path, "speed", prompt)
        return speeds

    def alone(self, prompt: list[int], tokens: int) -> float:
        return self._speed(prompt)[1]

    def prefill(self, prompt: list[int]) -> float:
        return self._speed(prompt)[0]


def requests(count: int, vocabulary: int) -> list[Request]:
    draw = random.Random(0)

    def length(low: int, high: int) -> int:
        return round(math.exp(draw.uniform(math.log(low), math.log(high))))

    return [
        Request([draw.randrange(vocabulary) for _ in range(length(16, 512))], length(16, 256))
        for _ in range(count)
    ]


def runners(directory: Path, folder: Path, python: str | None, halves: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "fragua_float32": Ours(directory, "float32"),
        "fragua_int8": Ours(directory, "int8"),
        "fragua_int4": Ours(directory, "int4"),
        "fragua_torch": Ours(directory, "float32", runner=TorchRunner),
        "transformers_float32": Transformers(directory, torch.float32),
    }
    if halves:
        found["fragua_bfloat16"] = Ours(directory, "bfloat16")
        found["transformers_bfloat16"] = Transformers(directory, torch.bfloat16)
    for dtype in ("float16", "q8_0") if python else ():
        path = folder / f"{directory.name}.{dtype}.gguf"
        export_model(directory, "gguf", path, dtype)
        found[f"llama.cpp_{dtype}"] = LlamaCpp(python or "", path)
    return found


def measured(part: str, rounds: int, works: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Rates by runner, the rounds alternating; the first, to warm up, is not counted."""
    rates: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            rate = work()
            if number:
                rates[name].append(rate)
        if number:
            print(f"{part} {number}: " + ", ".join(f"{k} {v[-1]:.1f}" for k, v in rates.items()))
    return rates


def compare(rates: dict[str, dict[str, list[float]]]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Ours over each peer, round by round: medians and spreads, by `part: ours / peer`."""
    medians, spreads = {}, {}
    for part, by_runner in rates.items():
        for ours in (name for name in by_runner if name.startswith("fragua_")):
            for peer in (name for name in by_runner if not name.startswith("fragua_")):
                pairs = [a / b for a, b in zip(by_runner[ours], by_runner[peer], strict=True)]
                name = f"{part}: {ours.removeprefix('fragua_')} / {peer}"
                medians[name] = round(statistics.median(pairs), 3)
                spreads[name] = [round(min(pairs), 3), round(max(pairs), 3)]
    return medians, spreads


def rounding(model: Path, data: Path) -> dict[str, dict[str, float]]:
    """Perplexity on a held-out text, and the bytes of the weights, by what they are rounded to."""
    texts, found = list(read_texts(data)), {}
    for weights in ("float32", "int8", "int4"):
        lm = fragua.load(str(model), weights=weights)
        value = perplexity(lm, texts)["perplexity"]
        found[weights] = {"perplexity": round(value, 4), "bytes": weight_bytes(lm.model)}
        change = value / found["float32"]["perplexity"] - 1
        found[weights]["perplexity_change"] = round(change, 5)
    return found


def main(
    size: Size | None = None,
    model: Path | None = None,
    data: Path | None = None,
    *,
    large: Stack = LARGE,
    small: Stack = SMALL,
) -> dict[str, Any]:
    """Runs the parts; returns rates, ratios with their spread, bytes a token and shares of the bandwidth."""
    size, python = size or Size(), os.environ.get("FRAGUA_LLAMA_CPP")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.set_num_threads(THREADS)
    start = time.perf_counter()
    native = library() is not None
    warm_up_s = time.perf_counter() - start
    halves = matrix_peaks()["bfloat16"] > EMULATED_FLOPS
    tokenizer = train_tokenizer([TEXT] * 100, 2048)
    vocabulary = tokenizer.vocab_size
    draw = random.Random(1)
    prompt, long = ([draw.randrange(vocabulary) for _ in range(n)] for n in (PROMPT, PREFILL))
    rates: dict[str, dict[str, list[float]]] = {}
    speeds, read = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stack, which, written in (
            (large, "large", size.written),
            (small, "small", size.written_small),
        ):
            LanguageModel(random_model(stack), tokenizer).save(folder / which)
            who = runners(folder / which, folder, python, halves)
            read |= {f"{which} {runner}": one.bytes for runner, one in who.items()}
            speeds.append(bandwidth(torch.ones(100_000_000)))
            works = {runner: lambda one=one, n=written: one.alone(prompt, n) for runner, one in who.items()}
            rates[f"{which} alone"] = measured(f"{which} alone", size.rounds, works)
            if which == "large":
                works = {runner: lambda one=one: one.prefill(long) for runner, one in who.items()}
                rates["prefill"] = measured("prefill", size.rounds, works)
                asked = requests(size.requests, vocabulary)
                several = {runner: one for runner, one in who.items() if not isinstance(one, LlamaCpp)}
                works = {
                    runner: lambda one=one, asked=asked: one.together(asked)
                    for runner, one in several.items()
                }
                rates["concurrent"] = measured("concurrent", max(1, size.rounds // 2), works)
    ratios, spreads = compare(rates)
    middle = {
        part: {runner: round(statistics.median(values), 1) for runner, values in by_runner.items()}
        for part, by_runner in rates.items()
    }
    speed = max(speeds)
    alone = {
        f"{which} {runner}": rate
        for which in ("large", "small")
        for runner, rate in middle[f"{which} alone"].items()
    }
    return {
        "ratios": ratios,
        "ratio_spread": spreads,
        "tokens_per_s": middle,
        "bytes_per_token": read,
        "bandwidth_bytes_per_s": round(speed),
        "bandwidth_share": {runner: round(rate * read[runner] / speed, 3) for runner, rate in alone.items()},
        "parameters": {"large": large.parameters(), "small": small.parameters()},
        "native": native,
        "native_warm_up_s": round(warm_up_s, 2),
        "rounding": rounding(model, data) if model and data else None,
        "threads": THREADS,
        "rounds": size.rounds,
        "requests": size.requests,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="a trained model, for the perplexities")
    parser.add_argument("--data", type=Path, help="a text that was held out from it")
    parser.add_argument("--rounds", type=int, default=Size.rounds)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "inference.json")
    chosen = parser.parse_args()
    figures = main(Size(chosen.rounds), chosen.model, chosen.data)
    write_result("inference", chosen.out, figures)
    print(json.dumps(figures["ratios"], indent=2))
