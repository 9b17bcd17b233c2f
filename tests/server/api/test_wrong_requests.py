"""What is sent wrong is answered with 4xx, the field named, and nothing of the inside."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.server.api.conftest import BODY_BYTES, KEY, Here

CHAT: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "hola"}], "max_tokens": 2}
PLAIN: dict[str, Any] = {"model": "tiny", "prompt": "hola", "max_tokens": 2}


def post(here: Here, path: str, body: Any, **more: Any) -> httpx.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"} | more
    return httpx.post(f"{here.url}{path}", content=data, headers=headers, timeout=30)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": [str(i) for i in range(17)]}, "stop"),
        ({"stop": ["a", ""]}, "stop"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": {"99999": 1}}, "logit_bias"),
        ({"logit_bias": {"3": 101}}, "logit_bias.3"),
        ({"frobnicate": 1}, "frobnicate"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            None,
        ),
        ({"tools": [{"type": "function", "function": {"name": "no spaces"}}]}, "tools.0.function.name"),
        ({"tool_choice": "required"}, None),
        ({"top_logprobs": 2}, None),
        ({"stream_options": {"include_usage": True}}, None),
        ({"response_format": {"type": "yaml"}}, "response_format"),
        ({"stop_token_ids": [-1]}, "stop_token_ids"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_a_wrong_field_is_named(here: Here, more: dict[str, Any], param: str | None) -> None:
    told = post(here, "/v1/chat/completions", CHAT | more)
    error = told.json()["error"]
    assert told.status_code == 400 and error["type"] == "invalid_request_error"
    assert param is None or error["param"] == param
    assert set(error) == {"message", "type", "param", "code"} and told.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", b"{", 400),
        ("/v1/chat/completions", b"[" * 100_000, 400),
        ("/v1/chat/completions", b'{"model": NaN}', 400),
        ("/v1/chat/completions", b"\xff\xfe", 400),
        ("/v1/chat/completions", CHAT | {"messages": [{"role": "user", "content": "\ud800"}]}, 400),
        ("/v1/chat/completions", CHAT | {"model": "\ud800"}, 400),
        ("/v1/chat/completions", CHAT | {"temperature": float("nan")}, 400),
        ("/v1/chat/completions", b" " * (BODY_BYTES + 1), 413),
        ("/v1/completions", PLAIN | {"prompt": []}, 400),
        ("/v1/completions", PLAIN | {"prompt": [1, 99999]}, 400),
        ("/v1/completions", PLAIN | {"prompt": [[]]}, 400),
        ("/v1/completions", PLAIN | {"suffix": "x"}, 400),
        ("/v1/completions", PLAIN | {"best_of": 3}, 400),
        ("/v1/completions", PLAIN | {"echo": True, "logprobs": 1, "stream": True}, 400),
        ("/v1/embeddings", {"model": "tiny", "input": []}, 400),
        ("/v1/embeddings", {"model": "tiny", "input": "a " * 5000}, 400),
        ("/v1/embeddings", {"model": "tiny", "input": "a", "dimensions": 3}, 400),
        ("/detokenize", {"tokens": [10**9]}, 400),
        ("/tokenize", {}, 400),
        ("/v1/nothing", {}, 404),
    ],
)
def test_a_wrong_body_is_refused(here: Here, path: str, body: Any, status: int) -> None:
    told = post(here, path, body)
    assert told.status_code == status, told.text
    assert told.json()["error"]["message"] and "Traceback" not in told.text


def test_without_a_key_only_the_state_is_told(here: Here) -> None:
    for headers in (
        {},
        {"authorization": KEY},
        {"authorization": "Bearer x"},
        {"authorization": f"Basic {KEY}"},
    ):
        told = httpx.get(f"{here.url}/v1/models", headers=headers)
        assert told.status_code == 401 and told.headers["www-authenticate"] == "Bearer"
    for path in ("/health", "/ready", "/metrics", "/openapi.json"):
        assert httpx.get(f"{here.url}{path}").status_code == 200
    assert httpx.get(f"{here.url}/v1/chat/completions").status_code == 401


def test_another_sites_page_may_read_nothing(here: Here) -> None:
    headers = {"origin": "http://evil.example", "authorization": f"Bearer {KEY}"}
    told = httpx.get(f"{here.url}/v1/models", headers=headers)
    assert "access-control-allow-origin" not in told.headers


def test_the_requests_own_id_comes_back_but_no_forged_line(here: Here) -> None:
    assert (
        post(here, "/tokenize", {"prompt": "a"}, **{"x-request-id": "mine-1"}).headers["x-request-id"]
        == "mine-1"
    )
    told = post(here, "/tokenize", {"prompt": "a"}, **{"x-request-id": "two words"})
    assert told.headers["x-request-id"].startswith("req_")


def test_metrics_have_the_names_of_dashboards_and_count(here: Here) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    def read() -> dict[str, float]:
        page = httpx.get(f"{here.url}/metrics").text
        return {
            sample.name: sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if "le" not in sample.labels and sample.labels.get("finished_reason", "length") == "length"
        }

    before = read()
    post(here, "/v1/completions", PLAIN | {"max_tokens": 5, "ignore_eos": True})
    here.wait_idle()
    after = read()
    assert after["vllm:generation_tokens_total"] - before["vllm:generation_tokens_total"] == 5
    assert after["vllm:request_success_total"] - before["vllm:request_success_total"] == 1
    name = "vllm:time_to_first_token_seconds_count"
    assert after[name] - before[name] == 1
    for gauge in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"):
        assert after[f"vllm:{gauge}"] == 0
