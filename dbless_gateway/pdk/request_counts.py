"""Counts of requests by their labels: what is found once for a combination, and then only added to.

The part of prometheus that runs for each request, in a module of its own because it is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import Metrics
from dbless_gateway.pdk.record import WORKSPACE_NAME

# Combinations of labels whose counters are remembered per instance; forgetting them changes nothing.
_REMEMBERED: Final = 50_000

Add = Callable[[int], None]
Labels = list[tuple[str, str]]


class _Times:
    """The histograms of a route and service."""

    __slots__ = ("kong", "total", "upstream")

    def __init__(self, metrics: Metrics, labels: Labels) -> None:
        self.kong = metrics.histogram("kong_kong_latency_ms", labels)
        self.upstream = metrics.histogram("kong_upstream_latency_ms", labels)
        self.total = metrics.histogram("kong_request_latency_ms", labels)


class _Counts:
    """The counters of a route, service and consumer; what is not counted is not there."""

    __slots__ = ("by_status", "egress", "ingress", "labels", "times", "user")

    def __init__(self, labels: Labels, user: str) -> None:
        self.labels = labels  # of route and service
        self.user = user
        self.by_status: dict[int, Add] = {}  # by the status, negative where it is the gateway's own
        self.ingress: Add | None = None
        self.egress: Add | None = None
        self.times: _Times | None = None


class RequestCounts:
    """Counts what a request was, by the metrics that are wanted."""

    __slots__ = (
        "_counts",
        "_metrics",
        "_per_consumer",
        "_remembered",
        "_times",
        "_wants_sizes",
        "_wants_statuses",
        "_wants_times",
    )

    def __init__(
        self,
        metrics: Metrics,
        *,
        per_consumer: bool,
        statuses: bool,
        sizes: bool,
        times: bool,
        remembered: int = _REMEMBERED,
    ) -> None:
        self._metrics = metrics
        self._per_consumer = per_consumer
        self._wants_statuses = statuses
        self._wants_sizes = sizes
        self._wants_times = times
        self._remembered = remembered
        self._counts: dict[tuple[str, str | None, str], _Counts] = {}
        self._times: dict[tuple[str, str | None], _Times] = {}

    def count(self, ctx: Context) -> None:
        """Count a request that matched a route; the log step."""
        route = ctx.route
        if route is None:
            return
        service, user = ctx.service, ""
        if self._per_consumer and ctx.consumer is not None:
            user = ctx.consumer.username or ""
        key = (route.id, service.id if service is not None else None, user)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts_of(ctx, key)
        if self._wants_statuses:
            status = ctx.response.status if ctx.source == "upstream" else -ctx.response.status
            add = counts.by_status.get(status)
            if add is None:
                add = self._status_of(counts, status)
            add(1)
        if counts.ingress is not None and counts.egress is not None:
            ingress, egress = ctx.request_size, ctx.response_size
            if ingress > 0:
                counts.ingress(ingress)
            if egress > 0:
                counts.egress(egress)
        times = counts.times
        if times is not None:
            times.kong(ctx.latency_kong_ms)
            upstream_ms = ctx.latency_upstream_ms
            if upstream_ms >= 0:  # Or there was none.
                times.upstream(upstream_ms)
            times.total(ctx.latency_total_ms)

    def _counts_of(self, ctx: Context, key: tuple[str, str | None, str]) -> _Counts:
        service, route, user = ctx.service, ctx.route, key[2]
        counts = _Counts(
            [
                ("service", (service.name or service.host) if service is not None else ""),
                ("route", (route.name or route.id) if route is not None else ""),
            ],
            user,
        )
        if self._wants_sizes:
            counts.ingress = self._size_of(counts, "ingress")
            counts.egress = self._size_of(counts, "egress")
        if self._wants_times:
            counts.times = self._times_of((key[0], key[1]), counts.labels)
        if len(self._counts) >= self._remembered:
            self._counts.clear()
        self._counts[key] = counts
        return counts

    def _status_of(self, counts: _Counts, status: int) -> Add:
        source = "service" if status > 0 else "kong"
        labels = [*counts.labels, ("code", str(abs(status))), ("source", source), *_belonging(counts.user)]
        add = counts.by_status[status] = self._metrics.counter("kong_http_requests_total", labels)
        return add

    def _size_of(self, counts: _Counts, direction: str) -> Add:
        labels = [*counts.labels, ("direction", direction), *_belonging(counts.user)]
        return self._metrics.counter("kong_bandwidth_bytes", labels)

    def _times_of(self, key: tuple[str, str | None], labels: Labels) -> _Times:
        times = self._times.get(key)
        if times is None:
            if len(self._times) >= self._remembered:
                self._times.clear()
            times = self._times[key] = _Times(self._metrics, [*labels, ("workspace", WORKSPACE_NAME)])
        return times


def _belonging(user: str) -> Labels:
    return [("workspace", WORKSPACE_NAME), ("consumer", user)]
