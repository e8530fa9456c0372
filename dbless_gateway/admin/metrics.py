"""``/metrics``: the node and what its requests counted, in the text format of Prometheus.

Names and labels are Kong's, so that dashboards made for it work; what only this gateway has begins with
``dbless_``. Counts of requests appear while a prometheus plugin is configured, as in Kong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dbless_gateway.admin.catalog import Catalog
from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest
from dbless_gateway.runtime.health_views import DNS_ERROR, HealthViews
from dbless_gateway.runtime.metrics import escape, render
from dbless_gateway.runtime.report import NodeReport

CONTENT_TYPE = "text/plain; charset=UTF-8"
_STATES = ("healthchecks_off", "healthy", "unhealthy", "dns_error")
_CONNECTIONS = ("accepted", "active", "handled", "reading", "waiting", "writing")
_LOADS: Mapping[str, str] = MappingProxyType(
    {
        "dbless_config_loads_total": "Configurations that were loaded, also when nothing was new",
        "dbless_config_loads_rejected_total": "Configurations that were refused",
        "dbless_config_last_success_timestamp_seconds": "When one was last loaded, in Unix seconds",
        "dbless_config_last_load_duration_seconds": "How long the last change took to load",
        "dbless_config_last_swap_duration_seconds": "How long the last change held up a worker",
    }
)
# Targets between two turns of the loop.
_BURST = 200

Labels = Sequence[tuple[str, object]]
Samples = Iterable[tuple[Labels, float]]


async def metrics(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return all metrics of the node."""
    node, catalog = await commands.node(), commands.catalog()
    values, errors = await asyncio.to_thread(commands.request_metrics)
    lines = [*_node(node), *_own(node)]
    lines += _metric("kong_nginx_metric_errors_total", "counter", "Number of metric errors", [((), errors)])
    plugins = (
        [plugin for plugin in catalog.entities.plugins if plugin.name == "prometheus"] if catalog else []
    )
    enabled = [plugin.config for plugin in plugins if plugin.enabled]
    views = commands.health()
    if catalog is not None and views is not None and any(c.get("upstream_health_metrics") for c in enabled):
        lines += await _target_health(catalog, views)
    text = "".join(f"{line}\n" for line in lines)
    if enabled:
        # Thousands of services make many thousands of lines.
        text += await asyncio.to_thread(render, values)
    return AdminAnswer(200, text.encode(), CONTENT_TYPE)


def _metric(name: str, kind: str, help_text: str, samples: Samples) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        shown = ",".join(f'{label}="{escape(str(text))}"' for label, text in labels)
        yield f"{name}{{{shown}}} {value}" if shown else f"{name} {value}"


def _node(node: NodeReport) -> Iterator[str]:
    """Yield what Kong always shows."""
    node_id, counts = ("node_id", node.node_id), node.counts
    http = ("subsystem", "http")
    states = [(state, counts[f"connections_{state}"]) for state in _CONNECTIONS]
    states.append(("total", counts["total_requests"]))
    yield from _metric(
        "kong_datastore_reachable", "gauge", "Datastore reachable from Kong, 0 is unreachable", [((), 1)]
    )
    yield from _metric(
        "kong_memory_lua_shared_dict_bytes",
        "gauge",
        "Allocated slabs in bytes in a shared_dict",
        _shared_memory(node, 0),
    )
    yield from _metric(
        "kong_memory_lua_shared_dict_total_bytes",
        "gauge",
        "Total capacity in bytes of a shared_dict",
        _shared_memory(node, 1),
    )
    yield from _metric(
        "kong_memory_workers_lua_vms_bytes",
        "gauge",
        "Resident memory of a worker in bytes",
        [
            ((node_id, ("pid", worker.pid), ("kong_subsystem", "http")), worker.resident_bytes)
            for worker in node.workers
        ],
    )
    yield from _metric(
        "kong_nginx_connections_total",
        "gauge",
        "Number of connections by subsystem",
        [((node_id, http, ("state", state)), value) for state, value in sorted(states)],
    )
    requests = counts["total_requests"]
    yield from _metric(
        "kong_nginx_requests_total", "gauge", "Total number of requests", [((node_id, http), requests)]
    )
    yield from _metric(
        "kong_nginx_timers",
        "gauge",
        "Number of timers; always 0, there are none of Kong's kind",
        [((("state", state),), 0) for state in ("pending", "running")],
    )
    info = (node_id, ("version", node.version))
    yield from _metric("kong_node_info", "gauge", "Kong Node metadata information", [(info, 1)])


def _shared_memory(node: NodeReport, part: int) -> Samples:
    return [
        ((("node_id", node.node_id), ("shared_dict", name), ("kong_subsystem", "http")), sizes[part])
        for name, sizes in sorted(node.shared_memory_bytes.items())
    ]


def _own(node: NodeReport) -> Iterator[str]:
    """Yield what Kong does not have."""
    info = (("hash", node.configuration_hash),)
    yield from _metric("dbless_config_info", "gauge", "The configuration that is served", [(info, 1)])
    for name, value in node.loads.metrics().items():
        kind = "counter" if name.endswith("_total") else "gauge"
        yield from _metric(name, kind, _LOADS.get(name, "Loads of the configuration"), [((), value)])
    restarts = [((("worker", worker.index),), worker.restarts) for worker in node.workers]
    yield from _metric("dbless_worker_restarts_total", "counter", "Workers that were replaced", restarts)
    serving = sum(worker.state in ("serving", "behind") for worker in node.workers)
    yield from _metric("dbless_workers_serving", "gauge", "Workers that serve requests", [((), serving)])


async def _target_health(catalog: Catalog, views: HealthViews) -> list[str]:
    names = {upstream.id: upstream.name for upstream in catalog.items("upstreams")}
    samples: list[tuple[Labels, float]] = []
    for number, target in enumerate(catalog.items("targets")):
        view = views.target_health(target)
        labels = (("upstream", names[target.upstream]), ("target", target.target))
        samples += _health_samples(labels, view)
        if number % _BURST == 0:
            await asyncio.sleep(0)
    return list(
        _metric("kong_upstream_target_health", "gauge", "Health status of targets of upstream", samples)
    )


def _health_samples(labels: Labels, view: Mapping[str, Any]) -> Iterator[tuple[Labels, float]]:
    addresses = [
        (f"{address['ip']}:{address['port']}", address["health"])
        for address in view["data"].get("addresses", ())
    ]
    for address, health in addresses or [("", DNS_ERROR)]:
        for state in _STATES:
            shown = (*labels, ("address", address), ("state", state), ("subsystem", "http"))
            yield shown, int(health.lower() == state)
