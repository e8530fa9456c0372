"""``/metrics``: the node and what its requests counted, in the text format of Prometheus.

Names and labels are Kong's, so that dashboards made for it work; what only this gateway has begins with
``dbless_``. Counts of requests appear while a prometheus plugin is configured, as in Kong.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

from dbless_gateway.admin.catalog import Catalog
from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest
from dbless_gateway.admin.metric_families import FAMILIES, Samples, lines
from dbless_gateway.runtime.health_views import DNS_ERROR, HEALTHY, OFF, UNHEALTHY, HealthViews
from dbless_gateway.runtime.report import KONG_COUNTERS, KONG_GAUGES, LOOP_LAG, NodeReport

CONTENT_TYPE = "text/plain; charset=UTF-8"
_STATES = tuple(state.lower() for state in (OFF, HEALTHY, UNHEALTHY, DNS_ERROR))
# Upstreams between two turns of the loop.
_BURST = 50
_CONNECTIONS = "connections_"

Family = tuple[str, Samples]


async def metrics(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return all metrics of the node."""
    node, catalog, views = await commands.node(), commands.catalog(), commands.health()
    counted = _prometheus_configs(catalog)
    families = dict([*_kongs(node), *_configuration(node), *_processes(node)])
    if catalog is not None and views is not None:
        is_listed = any(config.get("upstream_health_metrics") for config in counted)
        families |= await _targets(catalog, views, is_listed=is_listed)
    # Thousands of services make many thousands of lines: not on the loop.
    text, errors = await asyncio.to_thread(commands.request_metrics)
    families["kong_nginx_metric_errors_total"] = [((), errors)]
    parts = [line for name in FAMILIES if name in families for line in lines(name, families[name])]
    if counted:
        parts.append(text)
    return AdminAnswer(200, "".join(parts).encode(), CONTENT_TYPE)


def _prometheus_configs(catalog: Catalog | None) -> list[Any]:
    plugins = catalog.entities.plugins if catalog is not None else ()
    return [plugin.config for plugin in plugins if plugin.name == "prometheus" and plugin.enabled]


def _kongs(node: NodeReport) -> Iterator[Family]:
    """Yield what Kong always shows."""
    node_id, counts = node.node_id, node.counts
    yield "kong_datastore_reachable", [((), 1)]
    yield "kong_memory_lua_shared_dict_bytes", _shared_memory(node, 0)
    yield "kong_memory_lua_shared_dict_total_bytes", _shared_memory(node, 1)
    resident = [((node_id, worker.pid, "http"), worker.resident_bytes) for worker in node.workers]
    yield "kong_memory_workers_lua_vms_bytes", resident
    states = {
        name.removeprefix(_CONNECTIONS): counts[name]
        for name in (*KONG_COUNTERS, *KONG_GAUGES)
        if name.startswith(_CONNECTIONS)
    }
    states["total"] = counts["total_requests"]
    yield (
        "kong_nginx_connections_total",
        [((node_id, "http", state), value) for state, value in sorted(states.items())],
    )
    yield "kong_nginx_requests_total", [((node_id, "http"), counts["total_requests"])]
    yield "kong_nginx_timers", [((state,), 0) for state in ("pending", "running")]
    yield "kong_node_info", [((node_id, node.version), 1)]


def _shared_memory(node: NodeReport, part: int) -> Samples:
    shared = sorted(node.shared_memory_bytes.items())
    return [((node.node_id, name, "http"), sizes[part]) for name, sizes in shared]


def _configuration(node: NodeReport) -> Iterator[Family]:
    yield "dbless_config_info", [((node.configuration_hash,), 1)]
    for name, value in node.loads.metrics().items():
        yield name, [((), value)]
    is_refused = node.last_load is not None and node.last_load.outcome == "rejected"
    yield "dbless_config_last_load_successful", [((), int(not is_refused))]
    if node.certificates:
        expiries = [((c.kind, c.name, c.sni), c.expires_at) for c in node.certificates]
        yield "dbless_certificate_expiry_timestamp_seconds", expiries


def _processes(node: NodeReport) -> Iterator[Family]:
    workers, counts = node.workers, node.counts
    serving = sum(worker.state in ("serving", "behind") for worker in workers)
    yield "dbless_workers_serving", [((), serving)]
    yield "dbless_worker_restarts_total", [((worker.index,), worker.restarts) for worker in workers]
    lags = [((worker.index,), worker.counts.get(LOOP_LAG, 0) / 1e6) for worker in workers]
    yield "dbless_worker_loop_lag_seconds", lags
    yield "dbless_requests_active", [((), counts["requests_active"])]
    yield "dbless_requests_refused_total", [((), counts["requests_refused"])]
    yield "dbless_upstream_retries_total", [((), counts["upstream_retries"])]
    yield "dbless_upstream_connections_idle", [((), counts["upstream_connections_idle"])]


async def _targets(catalog: Catalog, views: HealthViews, *, is_listed: bool) -> dict[str, Samples]:
    """Return how many addresses are healthy, and as Kong each of them, if that is wanted."""
    totals: Counter[str] = Counter()
    listed: list[tuple[tuple[object, ...], float]] = []
    for number, upstream in enumerate(catalog.items("upstreams"), 1):
        for target, address, health in views.addresses(upstream.id):
            found = health.lower()
            totals[found] += 1
            if is_listed:
                labels = (upstream.name, target, address)
                listed += [((*labels, state, "http"), int(found == state)) for state in _STATES]
        if number % _BURST == 0:
            await asyncio.sleep(0)
    families: dict[str, Samples] = {
        "dbless_target_addresses": [((state,), totals[state]) for state in _STATES]
    }
    if is_listed:
        families["kong_upstream_target_health"] = listed
    return families
