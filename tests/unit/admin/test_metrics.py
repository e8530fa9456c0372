from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from dbless_gateway.admin.api import STATUS_API, Api
from dbless_gateway.admin.messages import AdminRequest
from tests.unit.admin.node_reports import NODE, FixedCommands
from tests.unit.admin.served import TEXT, ask, catalog

SERIES = {
    'http_requests_total{service="users",route="list",code="200",source="service",'
    'workspace="default",consumer=""}': 3,
    'request_latency_ms_bucket{service="users",route="list",workspace="default",le="25"}': 2,
    'request_latency_ms_sum{service="users",route="list",workspace="default"}': 30,
}
COUNTED = TEXT + "  - name: prometheus\n"


class NoHealth:
    """Tells of targets that do not resolve."""

    def target_health(self, target: Any) -> dict[str, Any]:
        return {"health": "DNS_ERROR", "data": {}}


def samples(commands: FixedCommands) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = ask(commands, "GET", "/metrics")
    assert (answer.status, answer.content_type) == (200, "text/plain; charset=UTF-8")
    text = (answer.body or b"").decode()
    assert all(line.startswith(("#", "kong_", "dbless_")) for line in text.splitlines())
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def labels(**values: str) -> frozenset[tuple[str, str]]:
    return frozenset(values.items())


def test_the_node_is_told_in_kongs_names() -> None:
    found = samples(FixedCommands(served=catalog()))
    assert found["kong_datastore_reachable", labels()] == 1
    node = {"node_id": "node", "subsystem": "http"}
    assert found["kong_nginx_connections_total", labels(**node, state="total")] == 7
    assert found["kong_nginx_requests_total", labels(**node)] == 7
    assert found["kong_node_info", labels(node_id="node", version="0.1")] == 1
    shared = {"node_id": "node", "shared_dict": "cache", "kong_subsystem": "http"}
    assert found["kong_memory_lua_shared_dict_bytes", labels(**shared)] == 4096
    assert found["dbless_config_info", labels(hash="abc")] == 1
    assert found["dbless_workers_serving", labels()] == 2
    assert found["kong_nginx_metric_errors_total", labels()] == 0


def test_requests_are_told_while_the_plugin_is_there() -> None:
    found = samples(FixedCommands(served=catalog(COUNTED), series=SERIES))
    route = {"service": "users", "route": "list", "workspace": "default"}
    counted = labels(**route, code="200", source="service", consumer="")
    assert found["kong_http_requests_total", counted] == 3
    assert found["kong_request_latency_ms_bucket", labels(**route, le="+Inf")] == 2
    hidden = samples(FixedCommands(served=catalog(), series=SERIES))
    assert not [name for name, _ in hidden if name.startswith(("kong_http", "kong_request"))]


def test_targets_are_told_on_request() -> None:
    text = COUNTED + "    config: {upstream_health_metrics: true}\n"
    views: Any = NoHealth()
    found = samples(FixedCommands(served=catalog(text), views=views))
    target = {"upstream": "up", "target": "10.0.0.1:80", "address": "", "subsystem": "http"}
    assert found["kong_upstream_target_health", labels(**target, state="dns_error")] == 1
    assert found["kong_upstream_target_health", labels(**target, state="healthy")] == 0


def test_a_node_that_has_not_started_can_be_scraped() -> None:
    assert Api(STATUS_API, FixedCommands()).answer is not None
    assert AdminRequest("GET", "/metrics", {}, {}).path == "/metrics"
    assert samples(FixedCommands(report=NODE))
