"""Series as text: what Prometheus' own parser reads is what was counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from dbless_gateway.runtime.metrics import METRICS, SharedMetrics
from dbless_gateway.runtime.metrics_text import Exposition

LABELS = [("service", "s"), ("route", "r")]


@pytest.fixture
def metrics() -> Iterator[SharedMetrics]:
    made = SharedMetrics.create(size_bytes=1 << 18)
    yield made
    made.close()


def test_the_whole_text(metrics: SharedMetrics) -> None:
    metrics.counter("kong_http_requests_total", [("service", 'a"b\\c\nd')])(3)
    observe = metrics.histogram("kong_kong_latency_ms", LABELS)
    for value in (3, 5, 6, 10_000):
        observe(value)
    bounds = (7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000)
    counts = [(5, 2), *((bound, 3) for bound in bounds), ("+Inf", 4)]

    assert Exposition(metrics).render() == (
        "# HELP kong_http_requests_total HTTP status codes per consumer/service/route in Kong\n"
        "# TYPE kong_http_requests_total counter\n"
        'kong_http_requests_total{service="a\\"b\\\\c\\nd"} 3\n'
        "# HELP kong_kong_latency_ms Latency added by Kong in ms\n"
        "# TYPE kong_kong_latency_ms histogram\n"
        + "".join(
            f'kong_kong_latency_ms_bucket{{service="s",route="r",le="{bound}"}} {count}\n'
            for bound, count in counts
        )
        + 'kong_kong_latency_ms_count{service="s",route="r"} 4\n'
        'kong_kong_latency_ms_sum{service="s",route="r"} 10014\n'
    )


def test_nothing_counted_is_nothing(metrics: SharedMetrics) -> None:
    assert Exposition(metrics).render() == ""


def test_new_series_join_the_order(metrics: SharedMetrics) -> None:
    text = Exposition(metrics)
    for name in ("b", "a", "c"):
        metrics.counter("kong_bandwidth_bytes", [("service", name)])(1)
        text.render()
    lines = [line for line in text.render().splitlines() if not line.startswith("#")]
    assert lines == [f'kong_bandwidth_bytes{{service="{name}"}} 1' for name in "abc"]


# A label may hold anything, also what a template or a bucket would mean something by.
LABEL = st.text(max_size=10) | st.sampled_from(["%d", "100%", 'le="5"', ',le="+Inf"}', "{", "a_bucket"])


@given(
    st.lists(st.tuples(LABEL, st.integers(0, 100_000), st.booleans()), min_size=1, max_size=20),
    st.sampled_from(sorted(METRICS)),
)
def test_prometheus_reads_what_was_counted(values: list[tuple[str, int, bool]], name: str) -> None:
    metrics = SharedMetrics.create(size_bytes=1 << 18)
    text = Exposition(metrics)
    metric = METRICS[name]
    counted: dict[str, list[int]] = {}
    for label, value, is_scraped in values:
        count = metrics.counter if metric.kind == "counter" else metrics.histogram
        count(name, [("service", label)])(value)
        counted.setdefault(label, []).append(value)
        if is_scraped:
            text.render()
    families = list(text_string_to_metric_families(text.render()))
    metrics.close()

    found = {(s.name, s.labels["service"], s.labels.get("le")): s.value for f in families for s in f.samples}
    for label, seen in counted.items():
        if metric.kind == "counter":
            # The parser gives every counter the ending that OpenMetrics asks for.
            assert found[f"{name.removesuffix('_total')}_total", label, None] == sum(seen)
            continue
        assert found[f"{name}_sum", label, None] == sum(seen)
        assert found[f"{name}_count", label, None] == len(seen)
        assert found[f"{name}_bucket", label, "+Inf"] == len(seen)
        for bound in metric.bounds:
            below = sum(value <= bound for value in seen)
            assert found.get((f"{name}_bucket", label, str(bound)), 0) == below
