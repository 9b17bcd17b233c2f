"""What the engines did, under the names that vLLM's dashboards read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from fragua.inference.engine.metrics import Histogram, Metrics
from fragua.server.hosted import Hosting

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

GAUGES = {
    "num_requests_running": ("answers being written", lambda m: m.running),
    "num_requests_waiting": ("answers in the queue", lambda m: m.waiting),
    "kv_cache_usage_perc": ("share of the pages for keys and values in use, 0 to 1", lambda m: m.kv_use),
}
COUNTERS = {
    "prompt_tokens": ("tokens of prompts", lambda m: m.prompt_tokens),
    "generation_tokens": ("tokens written", lambda m: m.completion_tokens),
    "prefix_cache_queries": ("tokens of prompts looked for in the prefix cache", lambda m: m.prompt_tokens),
    "prefix_cache_hits": ("tokens of prompts found there", lambda m: m.cached_tokens),
    "num_preemptions": ("answers put back in the queue", lambda m: m.preemptions),
    "spec_decode_num_draft_tokens": ("tokens drafted", lambda m: m.drafted_tokens),
    "spec_decode_num_accepted_tokens": ("drafts accepted", lambda m: m.accepted_drafts),
}
HISTOGRAMS = {
    "time_to_first_token_seconds": ("from asking to the first token", lambda m: m.time_to_first_token_s),
    "inter_token_latency_seconds": ("between an answer's tokens", lambda m: m.time_per_token_s),
    "time_per_output_token_seconds": ("the same, under its older name", lambda m: m.time_per_token_s),
    "e2e_request_latency_seconds": ("from asking to the end", lambda m: m.request_s),
}


class EngineCollector(Collector):
    """Reads the engines when it is asked."""

    def __init__(self, hosting: Hosting):
        self.hosting = hosting

    def collect(self) -> Iterator[Metric]:
        told = {name: model.engine.metrics for name, model in self.hosting.models.items()}
        for name, (text, value) in GAUGES.items():
            gauge = GaugeMetricFamily(f"vllm:{name}", text, labels=["model_name"])
            for model, metrics in told.items():
                gauge.add_metric([model], value(metrics))
            yield gauge
        for name, (text, value) in COUNTERS.items():
            counter = CounterMetricFamily(f"vllm:{name}", text, labels=["model_name"])
            for model, metrics in told.items():
                counter.add_metric([model], value(metrics))
            yield counter
        for name, (text, histogram) in HISTOGRAMS.items():
            family = HistogramMetricFamily(f"vllm:{name}", text, labels=["model_name"])
            for model, metrics in told.items():
                family.add_metric([model], *_buckets(histogram(metrics)))
            yield family
        yield _finished(told)


def _finished(told: dict[str, Metrics]) -> Metric:
    family = CounterMetricFamily(
        "vllm:request_success", "answers ended", labels=["model_name", "finished_reason"]
    )
    for model, metrics in told.items():
        for reason, count in metrics.finished.items():
            family.add_metric([model, reason], count)
    return family


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Prometheus counts all up to a bound."""
    bounds = [*map(str, histogram.bounds), "+Inf"]
    return list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True)), histogram.sum


class Exposition:
    """The page of figures."""

    def __init__(self, hosting: Hosting):
        self.registry = CollectorRegistry()
        self.registry.register(EngineCollector(hosting))

    def page(self) -> bytes:
        return generate_latest(self.registry)
