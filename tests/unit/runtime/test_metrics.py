"""Series in shared memory: exact over processes, bounded, and readable by Prometheus' own parser."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from dbless_gateway.runtime.metrics import METRICS, SharedMetrics, render

LABELS = [("service", "s"), ("route", "r")]


@pytest.fixture
def metrics() -> Iterator[SharedMetrics]:
    made = SharedMetrics.create(size_bytes=1 << 16)
    yield made
    made.close()


def test_counters(metrics: SharedMetrics) -> None:
    add = metrics.counter("http_requests_total", LABELS)
    add(1)
    add(2)
    metrics.counter("http_requests_total", LABELS)(1)
    metrics.counter("bandwidth_bytes", [])(7)

    assert metrics.read() == {'http_requests_total{service="s",route="r"}': 4, "bandwidth_bytes{}": 7}
    assert metrics.errors == 0


def test_rendering(metrics: SharedMetrics) -> None:
    metrics.counter("http_requests_total", [("service", 'a"b\\c\nd')])(3)
    observe = metrics.histogram("kong_latency_ms", LABELS)
    for value in (3, 5, 6, 10_000):
        observe(value)

    assert render(metrics.read()) == (
        "# HELP kong_http_requests_total HTTP status codes per consumer/service/route in Kong\n"
        "# TYPE kong_http_requests_total counter\n"
        'kong_http_requests_total{service="a\\"b\\\\c\\nd"} 3\n'
        "# HELP kong_kong_latency_ms Latency added by Kong in ms\n"
        "# TYPE kong_kong_latency_ms histogram\n"
        + "".join(
            f'kong_kong_latency_ms_bucket{{service="s",route="r",le="{bound}"}} {count}\n'
            for bound, count in [
                (5, 2),
                (7, 3),
                (10, 3),
                (15, 3),
                (20, 3),
                (30, 3),
                (50, 3),
                (75, 3),
                (100, 3),
                (200, 3),
                (500, 3),
                (750, 3),
                (1000, 3),
                (3000, 3),
                (6000, 3),
                ("+Inf", 4),
            ]
        )
        + 'kong_kong_latency_ms_count{service="s",route="r"} 4\n'
        'kong_kong_latency_ms_sum{service="s",route="r"} 10014\n'
    )


@given(
    st.lists(st.tuples(st.text(max_size=10), st.integers(0, 100_000)), min_size=1, max_size=20),
    st.sampled_from(sorted(METRICS)),
)
def test_prometheus_reads_what_was_counted(values: list[tuple[str, int]], name: str) -> None:
    metrics = SharedMetrics.create(size_bytes=1 << 18)
    kind = METRICS[name][0]
    totals: dict[str, int] = {}
    for label, value in values:
        count = metrics.counter if kind == "counter" else metrics.histogram
        count(name, [("service", label)])(value)
        totals[label] = totals.get(label, 0) + value
    families = list(text_string_to_metric_families(render(metrics.read())))
    suffix = "" if kind == "counter" else "_sum"
    # The parser gives every counter the ending that OpenMetrics asks for.
    wanted = {f"kong_{name}{suffix}", f"kong_{name}_total"}
    samples = [sample for family in families for sample in family.samples if sample.name in wanted]
    metrics.close()

    assert {sample.labels["service"]: sample.value for sample in samples} == totals


def test_full_memory_is_counted_as_an_error() -> None:
    metrics = SharedMetrics.create(size_bytes=64)
    metrics.counter("a", [])(1)
    lost = metrics.counter("b" * 100, [])
    lost(1)

    assert metrics.read() == {"a{}": 1}
    assert metrics.errors == 1
    metrics.close()


def test_workers_count_together() -> None:
    metrics = SharedMetrics.create(size_bytes=1 << 16, workers=3)
    children = []
    for worker in range(3):
        pid = os.fork()
        if pid == 0:
            mine = SharedMetrics.attach(metrics.fd, worker=worker, workers=3)
            for turn in range(300):
                mine.counter("n", [("turn", str(turn % 30))])(1)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)

    assert metrics.read() == {f'n{{turn="{turn}"}}': 30 for turn in range(30)}
    metrics.close()


def test_a_replaced_worker_counts_on() -> None:
    metrics = SharedMetrics.create(size_bytes=1 << 16, workers=2)
    for _ in range(2):
        worker = SharedMetrics.attach(os.dup(metrics.fd), worker=1, workers=2)
        worker.counter("n", [])(5)
        worker.close()

    assert metrics.read() == {"n{}": 10}
    metrics.close()
