"""prometheus, row by row of its page."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.pdk.request_counts import RequestCounts
from dbless_gateway.plugins import prometheus
from tests.support.plugin_context import (
    FakeContext,
    FakeHost,
    make_consumer,
    make_env,
    make_handler,
    make_route,
    make_service,
)

# ruff: noqa: E501 - a series is one line.
ALL = {"status_code_metrics": True, "latency_metrics": True, "bandwidth_metrics": True}


def context(status: int = 200, **facts: Any) -> FakeContext:
    ctx = FakeContext(
        route=facts.get("route", make_route("r1", name="users")),
        service=facts.get("service", make_service("s1", name="api")),
    )
    ctx.consumer = facts.get("consumer", make_consumer("c1", "bob"))
    ctx.respond(status)
    return ctx


def count(config: dict[str, Any], *contexts: FakeContext) -> dict[str, int]:
    host = FakeHost()
    handler = make_handler(prometheus, config, make_env(host))
    for ctx in contexts:
        handler.log(ctx)
    numbers: dict[str, int] = host.metrics.read()
    return numbers


def test_everything() -> None:
    assert count(ALL, context(), context(404)) == {
        'kong_http_requests_total{service="api",route="users",code="200",source="service",workspace="default",consumer=""}': 1,
        'kong_http_requests_total{service="api",route="users",code="404",source="service",workspace="default",consumer=""}': 1,
        'kong_bandwidth_bytes{service="api",route="users",direction="ingress",workspace="default",consumer=""}': 200,
        'kong_bandwidth_bytes{service="api",route="users",direction="egress",workspace="default",consumer=""}': 400,
        'kong_kong_latency_ms_bucket{service="api",route="users",workspace="default",le="2"}': 2,
        'kong_kong_latency_ms_sum{service="api",route="users",workspace="default"}': 4,
        'kong_upstream_latency_ms_bucket{service="api",route="users",workspace="default",le="25"}': 2,
        'kong_upstream_latency_ms_sum{service="api",route="users",workspace="default"}': 16,
        'kong_request_latency_ms_bucket{service="api",route="users",workspace="default",le="25"}': 2,
        'kong_request_latency_ms_sum{service="api",route="users",workspace="default"}': 24,
    }


@pytest.mark.parametrize("config", [{}, {"ai_metrics": True, "wasm_metrics": True}])
def test_without_anything_to_count_there_is_no_step(config: dict[str, Any]) -> None:
    assert not hasattr(make_handler(prometheus, config), "log")


def test_nothing_is_counted_without_a_route() -> None:
    assert count(ALL, context(route=None)) == {}


@pytest.mark.parametrize(
    ("config", "facts", "labels"),
    [
        (
            {"per_consumer": True},
            {},
            'service="api",route="users",code="200",source="service",workspace="default",consumer="bob"',
        ),
        (
            {"per_consumer": True},
            {"consumer": None},
            'service="api",route="users",code="200",source="service",workspace="default",consumer=""',
        ),
        (
            {"per_consumer": True},
            {"consumer": make_consumer("c")},
            'service="api",route="users",code="200",source="service",workspace="default",consumer=""',
        ),
        (
            {},
            {"service": None},
            'service="",route="users",code="200",source="service",workspace="default",consumer=""',
        ),
        (
            {},
            {"service": make_service("s", name=None)},
            'service="target.test",route="users",code="200",source="service",workspace="default",consumer=""',
        ),
        (
            {},
            {"route": make_route("r1", name=None)},
            'service="api",route="r1",code="200",source="service",workspace="default",consumer=""',
        ),
    ],
)
def test_labels(config: dict[str, Any], facts: dict[str, Any], labels: str) -> None:
    assert count({"status_code_metrics": True} | config, context(**facts)) == {
        f"kong_http_requests_total{{{labels}}}": 1
    }


def test_answers_of_the_gateway_and_missing_values() -> None:
    ctx = context(401)
    ctx.source, ctx.latency_upstream_ms, ctx.request_size = "kong", -1, 0
    counted = count(ALL, ctx)

    assert not any("upstream_latency_ms" in text for text in counted)
    assert sum(value for text, value in counted.items() if 'direction="ingress"' in text) == 0
    assert any('source="kong"' in text for text in counted)


@pytest.mark.parametrize(
    ("latency_ms", "kong", "others"),
    [(0, "1", "25"), (1, "1", "25"), (8, "10", "25"), (26, "30", "50"), (60_001, "+Inf", "+Inf")],
)
def test_buckets(latency_ms: int, kong: str, others: str) -> None:
    ctx = context()
    ctx.latency_kong_ms = ctx.latency_upstream_ms = ctx.latency_total_ms = latency_ms
    labels = 'service="api",route="users",workspace="default"'
    bounds = {"kong_latency_ms": kong, "upstream_latency_ms": others, "request_latency_ms": others}

    assert count({"latency_metrics": True}, ctx) == {
        **{f'kong_{name}_bucket{{{labels},le="{bound}"}}': 1 for name, bound in bounds.items()},
        **{f"kong_{name}_sum{{{labels}}}": latency_ms for name in bounds},
    }


def test_the_memory_of_combinations_is_bounded() -> None:
    metrics = FakeHost().metrics
    counts = RequestCounts(metrics, per_consumer=True, statuses=True, sizes=True, times=True, remembered=2)
    contexts = [context(200 + n % 3, route=make_route(f"r{n % 4}", name=None)) for n in range(24)]
    for ctx in contexts:
        counts.count(ctx)
    counted = metrics.read()

    assert sum(value for text, value in counted.items() if text.startswith("kong_http_requests_total")) == 24
