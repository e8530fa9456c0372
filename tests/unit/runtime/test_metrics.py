"""Series in shared memory: exact over processes, and bounded."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dbless_gateway.runtime.metrics import SharedMetrics

LABELS = [("service", "s"), ("route", "r")]


@pytest.fixture
def metrics() -> Iterator[SharedMetrics]:
    made = SharedMetrics.create(size_bytes=1 << 16)
    yield made
    made.close()


def test_counters(metrics: SharedMetrics) -> None:
    add = metrics.counter("kong_http_requests_total", LABELS)
    add(1)
    add(2)
    metrics.counter("kong_http_requests_total", LABELS)(1)
    metrics.counter("kong_bandwidth_bytes", [])(7)

    assert metrics.read() == {
        'kong_http_requests_total{service="s",route="r"}': 4,
        "kong_bandwidth_bytes{}": 7,
    }
    assert metrics.errors == 0


def test_a_histogram_is_there_when_it_has_measured_something(metrics: SharedMetrics) -> None:
    observe = metrics.histogram("kong_upstream_latency_ms", LABELS)
    assert metrics.read() == {}

    for value in (24, 26, 26):
        observe(value)
    assert metrics.read() == {
        'kong_upstream_latency_ms_bucket{service="s",route="r",le="25"}': 1,
        'kong_upstream_latency_ms_bucket{service="s",route="r",le="50"}': 2,
        'kong_upstream_latency_ms_sum{service="s",route="r"}': 76,
    }


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
