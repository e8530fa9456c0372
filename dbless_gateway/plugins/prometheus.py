"""prometheus: count requests, sizes and times per service and route, for ``/metrics``.

Kong's behaviour this follows: https://developer.konghq.com/plugins/prometheus/ (3.9).
Differences: ``ai_metrics`` and ``wasm_metrics`` are accepted and count nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.request_counts import RequestCounts

NAME = "prometheus"
PRIORITY = 13


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

    # Only where something is counted, so that nothing costs nothing; not a method, because it is compiled.
    log: Callable[[Context], None]

    def __init__(self, config: Config, env: PluginEnv) -> None:
        if config.status_code_metrics or config.bandwidth_metrics or config.latency_metrics:
            self.log = RequestCounts(
                env.host.metrics,
                per_consumer=bool(config.per_consumer),
                statuses=bool(config.status_code_metrics),
                sizes=bool(config.bandwidth_metrics),
                times=bool(config.latency_metrics),
            ).count
