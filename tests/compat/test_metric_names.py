"""Which metrics are Kong's: only their names may begin with ``kong_``, so that dashboards mean what Kong means.

The names are those of the plugin prometheus in Kong 3.x; what else this gateway tells begins with ``dbless_``.
"""

from __future__ import annotations

from dbless_gateway.admin.metric_families import FAMILIES
from dbless_gateway.runtime.metrics import METRICS

OF_KONG = {
    "kong_bandwidth_bytes",
    "kong_datastore_reachable",
    "kong_http_requests_total",
    "kong_kong_latency_ms",
    "kong_memory_lua_shared_dict_bytes",
    "kong_memory_lua_shared_dict_total_bytes",
    "kong_memory_workers_lua_vms_bytes",
    "kong_nginx_connections_total",
    "kong_nginx_metric_errors_total",
    "kong_nginx_requests_total",
    "kong_nginx_timers",
    "kong_node_info",
    "kong_request_latency_ms",
    "kong_upstream_latency_ms",
    "kong_upstream_target_health",
}


def test_own_metrics_do_not_look_like_kongs() -> None:
    names = {*FAMILIES, *METRICS}

    assert {name for name in names if name.startswith("kong_")} == OF_KONG
    assert all(name.startswith("dbless_") for name in names - OF_KONG)
