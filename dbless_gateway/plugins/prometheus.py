"""prometheus: count requests, sizes and times per service and route, for ``/metrics``.

Kong's behaviour this follows: https://developer.konghq.com/plugins/prometheus/ (3.9).
Differences: ``ai_metrics`` and ``wasm_metrics`` are accepted and count nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.record import WORKSPACE_NAME
from dbless_gateway.pdk.records import dataclass

NAME = "prometheus"
PRIORITY = 13

# Combinations of labels whose counters are remembered per instance; forgetting them changes nothing.
_REMEMBERED = 50_000

Add = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Config:
    per_consumer: bool | None
    status_code_metrics: bool | None
    ai_metrics: bool | None
    latency_metrics: bool | None
    bandwidth_metrics: bool | None
    upstream_health_metrics: bool | None
    wasm_metrics: bool | None


class Handler:
    """Finds the counters of a combination of labels once, and then only adds."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._config = config
        self._host = env.host
        self._requests: dict[tuple[str, str | None, int, str, str], Add] = {}
        self._sizes: dict[tuple[str, str | None, str], tuple[Add, Add]] = {}
        self._latencies: dict[tuple[str, str | None], tuple[Add, Add, Add]] = {}

    def log(self, ctx: Context) -> None:
        """Count a request that matched a route."""
        route = ctx.route
        if route is None:
            return
        service = ctx.service
        service_id = service.id if service is not None else None
        config = self._config
        user = ""
        if config.per_consumer and ctx.consumer is not None:
            user = ctx.consumer.username or ""
        if config.status_code_metrics:
            source = "service" if ctx.source == "upstream" else "kong"
            key = (route.id, service_id, ctx.response.status, source, user)
            (self._requests.get(key) or self._requests_of(ctx, key))(1)
        if config.bandwidth_metrics:
            ingress, egress = self._sizes.get((route.id, service_id, user)) or self._sizes_of(ctx, user)
            if ctx.request_size > 0:
                ingress(ctx.request_size)
            if ctx.response_size > 0:
                egress(ctx.response_size)
        if config.latency_metrics:
            observe = self._latencies.get((route.id, service_id)) or self._latencies_of(ctx)
            values = (ctx.latency_kong_ms, ctx.latency_upstream_ms, ctx.latency_total_ms)
            for add, value in zip(observe, values, strict=True):
                if value >= 0:
                    add(value)

    def _requests_of(self, ctx: Context, key: tuple[str, str | None, int, str, str]) -> Add:
        _, _, status, source, user = key
        labels = [
            *_names(ctx),
            ("code", str(status)),
            ("source", source),
            ("workspace", WORKSPACE_NAME),
            ("consumer", user),
        ]
        if len(self._requests) >= _REMEMBERED:
            self._requests.clear()
        add = self._requests[key] = self._host.metrics.counter("kong_http_requests_total", labels)
        return add

    def _sizes_of(self, ctx: Context, user: str) -> tuple[Add, Add]:
        names = _names(ctx)
        rest = [("workspace", WORKSPACE_NAME), ("consumer", user)]
        ingress, egress = (
            self._host.metrics.counter("kong_bandwidth_bytes", [*names, ("direction", direction), *rest])
            for direction in ("ingress", "egress")
        )
        if len(self._sizes) >= _REMEMBERED:
            self._sizes.clear()
        self._sizes[(*_ids(ctx), user)] = (ingress, egress)
        return ingress, egress

    def _latencies_of(self, ctx: Context) -> tuple[Add, Add, Add]:
        labels = [*_names(ctx), ("workspace", WORKSPACE_NAME)]
        metrics = self._host.metrics
        observe = (
            metrics.histogram("kong_kong_latency_ms", labels),
            metrics.histogram("kong_upstream_latency_ms", labels),
            metrics.histogram("kong_request_latency_ms", labels),
        )
        if len(self._latencies) >= _REMEMBERED:
            self._latencies.clear()
        self._latencies[_ids(ctx)] = observe
        return observe


def _ids(ctx: Context) -> tuple[str, str | None]:
    return ctx.route.id if ctx.route is not None else "", ctx.service.id if ctx.service is not None else None


def _names(ctx: Context) -> list[tuple[str, str]]:
    service, route = ctx.service, ctx.route
    return [
        ("service", (service.name or service.host) if service is not None else ""),
        ("route", (route.name or route.id) if route is not None else ""),
    ]
