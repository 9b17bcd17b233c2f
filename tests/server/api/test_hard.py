"""What clients do in bad weather: they leave, they all come at once, they send anything."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from benchmarks.serving import golden, idle, storm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.api.conftest import KEY, Here, served_here

LONG: dict[str, Any] = {"model": "tiny", "prompt": "Había una vez", "max_tokens": 900, "ignore_eos": True}
ASKED: dict[str, Any] = {"extra_body": LONG, "model": "tiny", "prompt": LONG["prompt"]}


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_frees_its_place(here: Here, stream: bool) -> None:
    before = here.engine.metrics.finished["abort"], here.engine.metrics.completion_tokens
    host, port = here.url.removeprefix("http://").split(":")
    body = json.dumps(LONG | {"stream": stream}).encode()
    with socket.create_connection((host, int(port))) as there:
        head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        there.sendall(
            f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        while here.engine.metrics.completion_tokens < before[1] + 3:
            time.sleep(0.005)
    here.wait_idle()
    assert here.engine.metrics.finished["abort"] == before[0] + 1
    assert here.engine.metrics.completion_tokens < before[1] + 600, "long before its end"


def test_a_full_queue_says_when_to_come_again(tiny_long_dir: Path) -> None:
    with served_here(tiny_long_dir, max_concurrent=1, max_waiting=1) as small:
        with openai.OpenAI(base_url=f"{small.url}/v1", api_key=KEY, max_retries=0, timeout=60) as client:
            running = client.completions.create(stream=True, **ASKED)
            next(running)
            threading.Thread(target=lambda: httpx.post(
                f"{small.url}/v1/completions", json=LONG | {"max_tokens": 2},
                headers={"authorization": f"Bearer {KEY}"}, timeout=60)).start()  # fmt: skip
            while small.engine.metrics.waiting < 1:
                time.sleep(0.005)
            with pytest.raises(openai.RateLimitError) as refused:
                client.completions.create(**ASKED)
            assert (
                refused.value.code == "queue_full" and int(refused.value.response.headers["retry-after"]) >= 1
            )
            running.close()
        small.wait_idle()


def test_a_storm_of_streams_loses_nothing(here: Here) -> None:
    async def weather() -> None:
        before = await golden(here.url, "tiny", KEY)
        tally = await storm(here.url, "tiny", streams=24, seconds=2, key=KEY)
        assert tally.broken == [] and tally.finished and tally.left
        assert not any((await idle(here.url)).values())
        assert await golden(here.url, "tiny", KEY) == before

    asyncio.run(weather())
    here.wait_idle()


def test_whatever_the_interfaces_own_page_allows_is_answered_without_a_5xx(here: Here) -> None:
    import schemathesis

    schema = schemathesis.openapi.from_url(f"{here.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {operation.path for operation in operations} >= {
        "/v1/chat/completions",
        "/v1/embeddings",
        "/tokenize",
    }
    for operation in operations:

        @settings(
            max_examples=15,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), ours=st.booleans())
        def send(case: Any, ours: bool) -> None:
            if isinstance(case.body, dict) and ours:
                case.body |= {"model": "tiny", "max_tokens": 2}
            answer = case.call(headers={"authorization": f"Bearer {KEY}"}, timeout=60)
            assert answer.status_code < 500, answer.text
            assert answer.status_code < 400 or set(answer.json()["error"]) == {
                "message",
                "type",
                "param",
                "code",
            }

        send()
