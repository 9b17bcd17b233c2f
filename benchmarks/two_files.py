"""How fast is the program of two files, beside llama.cpp on the same weights, and how near to the memory's speed?

12 layers, width 768, feed-forward 2048, vocabulary 32,000 (110 M), random weights: speed does not depend on them. Five
rounds, each runner in turn on the same threads: 24 tokens read, 64 written, greedy. llama.cpp runs in a process of its
own, because it is not an ordinary dependency: FRAGUA_LLAMA_CPP names the Python of an environment that has
llama-cpp-python (built from its source, about ten minutes; on processors with AMX switch that off). Without one,
only this project's programs are measured.

With it, two proofs too: the same greedy tokens at float32 over 100 tokens for Qwen3, Llama and GPT-2, and the same ids
of 1,000 lines of real text (FRAGUA_TEST_DATA).

    FRAGUA_LLAMA_CPP=/path/to/python fragua bench two_files
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fragua.errors import RunError
from fragua.inference.export import run
from fragua.inference.export.convert import export_model
from fragua.inference.language_model import LanguageModel
from fragua.models import Decoder, decoder_config
from fragua.models.config import Stack
from fragua.tokens.tokenizer import Tokenizer
from fragua.tokens.train import train_tokenizer

ROUNDS, WRITTEN = 5, 64
PROMPT = "En un lugar de la Mancha, de cuyo nombre no quiero acordarme, vivía un hidalgo."
TEXT = "Había una vez un hidalgo que vivía en un lugar de la Mancha y leía 37 libros. Once upon a time. "
TYPES = {"run_float32": "float32", "run_int8": "int8", "run_int4": "int4"}
PEERS = {"llama.cpp_float16": "float16", "llama.cpp_q8_0": "q8_0", "llama.cpp_q4_0": "q4_0"}
THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))

PEER = """
import json, sys, time
from llama_cpp import Llama
threads, path, form = int(sys.argv[1]), sys.argv[2], sys.argv[3]
lm = Llama(path, n_ctx=1024, n_threads=threads, n_threads_batch=threads, verbose=False)
given = json.load(sys.stdin)
if form == "encode":
    print(json.dumps([lm.tokenize(line.encode(), add_bos=False, special=False) for line in given]))
elif form == "greedy":
    ids, drawn = lm.tokenize(given.encode(), add_bos=True, special=False), []
    for token in lm.generate(ids, temp=0.0, top_k=1, repeat_penalty=1.0):
        if len(drawn) == 100 or token == lm.token_eos():
            break
        drawn.append(token)
    print(json.dumps([ids, drawn]))
else:
    started = time.perf_counter()
    lm.eval(given)
    read = time.perf_counter()
    for _ in range(64):
        lm.eval([7])
    print(json.dumps([len(given) / (read - started), 64 / (time.perf_counter() - read)]))
"""


def random_model(stack: Stack, seed: int = 0) -> Decoder:
    model, generator = Decoder(stack), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.02 if stack.width > 128 else 0.15, generator=generator)
    return model.eval()


def bandwidth(data: torch.Tensor) -> float:
    """Bytes a second that torch reads, the best of three sums."""
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        data.sum()
        best = min(best, time.perf_counter() - started)
    return data.nbytes / best


def compile_program(out: Path) -> Path:
    source = Path(run.__file__).with_name("run.c")
    command = ["cc", "-O3", "-march=native", "-fopenmp", str(source), "-lm", "-o", str(out)]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise RunError("run.c could not be compiled", mend="a C compiler with OpenMP is needed") from error
    return out


def ours(program: Path, parameters: Path) -> tuple[float, float]:
    """Tokens a second: read, written."""
    command = [program, parameters, "-p", PROMPT, "-n", str(WRITTEN), "-t", "0"]
    environment = os.environ | {"OMP_NUM_THREADS": str(THREADS)}
    told = subprocess.run(command, capture_output=True, check=True, env=environment).stderr.decode()
    read, written = re.findall(r"at ([\d.]+)/s", told)
    return float(read), float(written)


def ask_peer(python: str, path: Path, form: str, given: Any) -> Any:
    command = [python, "-c", PEER, str(THREADS), str(path), form]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)
    if done.returncode:
        raise RunError(f"llama.cpp failed: {done.stderr.strip().splitlines()[-1]}", path)
    return json.loads(done.stdout.splitlines()[-1])


def real_lines() -> list[str]:
    """1,000 lines, Spanish and English, of the test data."""
    folder = Path(os.environ.get("FRAGUA_TEST_DATA", "../shared/data"))
    lines: list[str] = []
    for name in (
        "tatoeba_spa_eng/spa.txt",
        "spanish_prose/don_quijote.txt",
        "tinyshakespeare/input.txt",
        "udhr/spa.txt",
    ):
        if (folder / name).is_file():
            text = (folder / name).read_text("utf-8-sig").replace("\r", "").split("\n")
            lines += [line for line in text if line.strip()][7::11][:400]
    return lines[:1000]


def proofs(python: str, tokenizer: Tokenizer, folder: Path) -> dict[str, Any]:
    """Greedy tokens that agree (of those drawn) for each architecture, and lines with the same ids."""
    import transformers

    shape = dict(vocab_size=tokenizer.vocab_size, context=256, layers=2, width=64, heads=4, kv_heads=2)
    shape |= dict(head_width=16, ffn_width=128)
    found: dict[str, Any] = {}
    for family in ("qwen3", "llama", "gpt2"):
        directory = folder / family
        if family == "gpt2":
            torch.manual_seed(0)
            sizes = dict(vocab_size=tokenizer.vocab_size, n_positions=256, n_embd=64, n_layer=2, n_head=4)
            sizes |= dict(bos_token_id=0, eos_token_id=0)
            peer = transformers.GPT2LMHeadModel(
                transformers.GPT2Config(**sizes, initializer_range=0.2)
            ).eval()
            peer.save_pretrained(directory)
            tokenizer.save(directory)
        else:
            stack = Stack.parse(shape | {"family": family, "qk_norm": family == "qwen3"})
            models = (LanguageModel(random_model(stack, seed), tokenizer) for seed in range(20))
            lm = next(lm for lm in models if len(lm.generate(TEXT, max_tokens=100).tokens) == 100)
            lm.save(directory)
        export_model(directory, "gguf", folder / f"{family}.gguf")
        ids, theirs = ask_peer(python, folder / f"{family}.gguf", "greedy", TEXT)
        if family == "gpt2":
            drawn = peer.generate(torch.tensor([ids]), max_new_tokens=100, do_sample=False, pad_token_id=0)
            mine = drawn[0, len(ids) :].tolist()
        else:
            mine = lm.generate(TEXT, max_tokens=100).tokens
        assert ids == tokenizer.encode(TEXT), "llama.cpp reads another text"
        agree = int(np.argmin([a == b for a, b in zip(mine, theirs, strict=False)] + [False]))
        found[family] = {"agree": agree, "of": len(theirs)}
    lines = real_lines()
    theirs = ask_peer(python, folder / "qwen3.gguf", "encode", lines)
    same = sum(a == tokenizer.encode(line) for a, line in zip(theirs, lines, strict=True))
    return {"greedy_tokens": found, "lines": len(lines), "lines_with_the_same_ids": same}


def main() -> dict[str, Any]:
    """Runs the rounds; returns tokens a second, ratios with their spread, shares of the bandwidth, the proofs."""
    python = os.environ.get("FRAGUA_LLAMA_CPP")
    lines = real_lines()
    tokenizer = train_tokenizer(lines or [TEXT] * 100, 2048)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in (*TYPES, *(PEERS if python else ()))}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = compile_program(folder / "run")
        config = decoder_config(12, 32_000, 1024, width=768, ffn_width=2048)
        LanguageModel(random_model(config), tokenizer).save(folder / "model")
        paths = {}
        for runner, dtype in TYPES.items():
            export_model(folder / "model", "two-files", folder / runner, dtype)
            paths[runner] = folder / runner / "parameters.bin"
        for runner, dtype in (PEERS if python else {}).items():
            paths[runner] = folder / f"{runner}.gguf"
            export_model(folder / "model", "gguf", paths[runner], dtype)
        sizes = {runner: path.stat().st_size for runner, path in paths.items()}
        ids = tokenizer.encode(PROMPT)
        data, speeds = torch.ones(100_000_000), []
        torch.set_num_threads(THREADS)
        for number in range(ROUNDS):
            speeds.append(bandwidth(data))
            for runner, path in paths.items():
                rate = (
                    ask_peer(python, path, "speed", ids)
                    if runner in PEERS and python
                    else ours(program, path)
                )
                rates[runner].append((rate[0], rate[1]))
            print(f"round {number + 1}: " + ", ".join(f"{k} {v[-1][1]:.1f}" for k, v in rates.items()))
        proven = proofs(python, tokenizer, folder) if python else None
    speed = max(speeds)
    written = {runner: statistics.median(rate[1] for rate in rows) for runner, rows in rates.items()}
    pairs = {
        f"int8_vs_{peer}": [
            mine[1] / theirs[1] for mine, theirs in zip(rates["run_int8"], rates[peer], strict=True)
        ]
        for peer in PEERS
        if python
    }
    return {
        "ratios": {name: round(statistics.median(values), 3) for name, values in pairs.items()},
        "ratio_spread": {name: [round(min(v), 3), round(max(v), 3)] for name, v in pairs.items()},
        "tokens_per_s": {runner: round(rate, 1) for runner, rate in written.items()},
        "read_tokens_per_s": {
            runner: round(statistics.median(rate[0] for rate in rows), 1) for runner, rows in rates.items()
        },
        "bandwidth_bytes_per_s": round(speed),
        "bandwidth_share": {
            runner: round(rate * sizes[runner] / speed, 3) for runner, rate in written.items()
        },
        "file_bytes": sizes,
        "proofs": proven,
        "parameters": config.parameters(),
        "threads": THREADS,
        "prompt_tokens": len(ids),
        "written_tokens": WRITTEN,
        "rounds": ROUNDS,
    }
