"""Many streams at once, some of which break off: does the server lose a slot, a page, memory, or its answers?

`FRAGUA_SERVING_STREAMS` (200), `FRAGUA_SERVING_SECONDS` (120), `FRAGUA_SERVING_MODEL` (else a small random one)."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

PROMPTS = ("Había una vez una niña", "Once upon a time", "¿Cuánto es 12*37?", "The baker of the village said")
GOLDEN = [
    {"prompt": prompt, "max_tokens": 24, "seed": 7, "temperature": heat, "logprobs": 1}
    for prompt in PROMPTS
    for heat in (0, 1)
]
LEAVES = 0.3
"""Share of the streams that break off."""


@dataclass
class Tally:
    """What the clients saw."""

    finished: int = 0
    left: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)
    tokens: int = 0
    first_s: list[float] = field(default_factory=list)
    between_s: list[float] = field(default_factory=list)


async def ask(url: str, path: str, body: dict[str, Any] | None, key: str = "") -> tuple[int, bytes]:
    """Status and body of a whole answer."""
    reader, writer, status = await _send(url, path, body, key)
    try:
        return status, await reader.read()
    finally:
        writer.close()


async def _send(
    url: str, path: str, body: dict[str, Any] | None, key: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int]:
    """HTTP/1.0, so that what comes is the body itself and its end is the connection's."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.0\r\nHost: {place.netloc}\r\n"
    head += f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    status = int((await reader.readline()).split()[1])
    while (await reader.readline()).strip():
        pass
    return reader, writer, status


async def storm(url: str, model: str, streams: int, seconds: float, key: str = "", seed: int = 0) -> Tally:
    """So many clients, each asking again and again until the time is over."""
    tally, until = Tally(), time.monotonic() + seconds

    async def client(number: int) -> None:
        rng = random.Random(seed * 100_003 + number)
        while time.monotonic() < until:
            await _stream(url, model, rng, tally, key)

    await asyncio.gather(*map(client, range(streams)))
    return tally


async def _stream(url: str, model: str, rng: random.Random, tally: Tally, key: str) -> None:
    leaves_at = rng.randrange(1, 12) if rng.random() < LEAVES else None
    wanted = rng.randrange(8, 48)
    body = {"model": model, "prompt": rng.choice(PROMPTS), "max_tokens": wanted, "stream": True}
    asked = time.monotonic()
    reader, writer, status = await _send(url, "/v1/completions", body, key)
    try:
        if status == 429:
            tally.refused += 1
            await asyncio.sleep(rng.uniform(0.2, 1))
            return
        if status != 200:
            tally.broken.append(f"status {status}")
            return
        seen, before = 0, asked
        while (line := await reader.readline()).strip() != b"data: [DONE]":
            if not line:
                tally.broken.append("ended without [DONE]")
                return
            if not line.startswith(b"data: "):
                continue
            if "error" in json.loads(line[6:]):
                tally.broken.append(line.decode())
                return
            now = time.monotonic()
            (tally.between_s if seen else tally.first_s).append(now - before)
            seen, before = seen + 1, now
            if seen == leaves_at:
                tally.left += 1
                return
        tally.finished += 1
        tally.tokens += seen
    finally:
        writer.close()


async def golden(url: str, model: str, key: str = "") -> list[Any]:
    """Answers that must be the same whenever they are asked for."""
    told = [await ask(url, "/v1/completions", {"model": model, **body}, key) for body in GOLDEN]
    return [json.loads(data)["choices"] for _, data in told]


async def idle(url: str, wait_s: float = 20) -> dict[str, float]:
    """The gauges once nothing is asked any more; they are all 0 then."""
    until = time.monotonic() + wait_s
    while True:
        _, page = await ask(url, "/metrics", None)
        names = ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")
        gauges = {
            line.split("{")[0].removeprefix("vllm:"): float(line.split()[-1])
            for line in page.decode().splitlines()
            if line.startswith(tuple(f"vllm:{name}" for name in names))
        }
        if not any(gauges.values()) or time.monotonic() > until:
            return gauges
        await asyncio.sleep(0.05)


def main() -> dict[str, Any]:
    streams = int(os.environ.get("FRAGUA_SERVING_STREAMS", "200"))
    seconds = float(os.environ.get("FRAGUA_SERVING_SECONDS", "120"))
    with tempfile.TemporaryDirectory() as folder:
        given = os.environ.get("FRAGUA_SERVING_MODEL")
        model = Path(given) if given else _small_model(Path(folder) / "small")
        command = [
            sys.executable,
            "-m",
            "fragua.cli.main",
            "serve",
            f"model={model}",
            "--port",
            "0",
            "--json",
        ]
        command += ["--no-pages", "--deterministic", "--max-concurrent", "32"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
            assert server.stdout is not None
            try:
                url = json.loads(server.stdout.readline())["url"]
                figures = asyncio.run(_measure(url, streams, seconds, server.pid))
            finally:
                stopped = time.monotonic()
                server.terminate()
                code = server.wait(60)
        return figures | {"stopped_s": time.monotonic() - stopped, "exit_code": code}


async def _measure(url: str, streams: int, seconds: float, pid: int) -> dict[str, Any]:
    before = await golden(url, "model")
    await storm(
        url, "model", streams, min(20.0, seconds / 4), seed=1
    )  # until buffers and pools are as large as they get
    await idle(url)
    memory = _resident_mib(pid)
    tally = await storm(url, "model", streams, seconds)
    gauges = await idle(url)
    after = await golden(url, "model")
    grown = _resident_mib(pid) - memory
    return {
        "streams": streams,
        "seconds": seconds,
        "finished": tally.finished,
        "left": tally.left,
        "refused": tally.refused,
        "broken": tally.broken[:10],
        "broken_count": len(tally.broken),
        "tokens_per_s": tally.tokens / seconds,
        "first_token_s": _quantiles(tally.first_s),
        "between_tokens_s": _quantiles(tally.between_s),
        "gauges_after": gauges,
        "same_answers": before == after,
        "resident_mib": memory,
        "resident_mib_grown": grown,
    }


def _quantiles(values: list[float]) -> dict[str, float]:
    return {f"p{q}": float(np.percentile(values or [float("nan")], q)) for q in (50, 90, 99)}


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS: this measures on Linux only")


def _small_model(folder: Path) -> Path:
    """As long to compute as a small trained one; what it says is of no matter here."""
    import torch

    from fragua.models import Decoder, decoder_config, save_model
    from fragua.tokens.train import train_tokenizer

    tokenizer = train_tokenizer([*PROMPTS] * 8, 448)
    torch.manual_seed(0)
    model = Decoder(decoder_config(4, tokenizer.vocab_size, 256, width=128, heads=4, kv_heads=2))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    tokenizer.save(folder)
    save_model(model.eval(), folder, generation={"eos_token_id": list(tokenizer.stop_ids)})
    return folder


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
