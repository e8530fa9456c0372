"""Every series of the node, read as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dbless_gateway.admin.metric_families import FAMILIES
from dbless_gateway.runtime.report import CertificateExpiry, LoadTotals, ReloadReport, merge_counts
from tests.unit.admin.node_reports import NODE, RECEIPT, WORKER, FixedCommands
from tests.unit.admin.served import TEXT, ask, catalog

COUNTED = TEXT + "  - name: prometheus\n"
LISTED = COUNTED + "    config: {upstream_health_metrics: true}\n"
SERIES = '# TYPE kong_http_requests_total counter\nkong_http_requests_total{service="users"} 3\n'

COUNTS = {
    "connections_accepted": 9,
    "connections_handled": 8,
    "connections_active": 7,
    "connections_reading": 1,
    "connections_waiting": 4,
    "connections_writing": 2,
    "total_requests": 70,
    "requests_active": 5,
    "requests_refused": 6,
    "upstream_retries": 3,
    "upstream_connections_idle": 11,
}
BUSY = replace(
    NODE,
    counts=merge_counts([COUNTS], {}),
    workers=(
        replace(WORKER, counts={"loop_lag_us": 2500}),
        replace(WORKER, index=1, pid=12, state="starting", restarts=2),
    ),
    loads=LoadTotals(succeeded=4, rejected=1, last_success_at=50.0, last_duration_ms=2000, last_swap_ms=1.5),
    certificates=(
        CertificateExpiry("listener", "ssl_cert", "", 100.0),
        CertificateExpiry("certificate", "c1", "a.test", 200.0),
    ),
)


class SomeHealth:
    """One address that is well, one that is not, one target without addresses; no other upstream."""

    def addresses(self, upstream_id: str) -> Iterator[tuple[str, str, str]]:
        yield "a.test:80", "10.0.0.1:80", "HEALTHY"
        yield "a.test:80", "10.0.0.2:80", "UNHEALTHY"
        yield "gone.test:80", "", "DNS_ERROR"


HEALTH: Any = SomeHealth()


def samples(commands: FixedCommands) -> dict[str, float]:
    """Return the samples by name with its labels, which are sorted."""
    answer = ask(commands, "GET", "/metrics")
    assert (answer.status, answer.content_type) == (200, "text/plain; charset=UTF-8")
    text = (answer.body or b"").decode()
    assert all(line.startswith(("#", "kong_", "dbless_")) for line in text.splitlines())
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


@pytest.mark.parametrize(
    ("series", "value"),
    [
        ("kong_datastore_reachable{}", 1),
        ("kong_memory_lua_shared_dict_bytes{kong_subsystem=http,node_id=node,shared_dict=cache}", 4096),
        (
            "kong_memory_lua_shared_dict_total_bytes{kong_subsystem=http,node_id=node,shared_dict=cache}",
            1024**2,
        ),
        ("kong_memory_workers_lua_vms_bytes{kong_subsystem=http,node_id=node,pid=12}", 25 * 1024**2),
        ("kong_nginx_connections_total{node_id=node,state=accepted,subsystem=http}", 9),
        ("kong_nginx_connections_total{node_id=node,state=handled,subsystem=http}", 8),
        ("kong_nginx_connections_total{node_id=node,state=active,subsystem=http}", 7),
        ("kong_nginx_connections_total{node_id=node,state=reading,subsystem=http}", 1),
        ("kong_nginx_connections_total{node_id=node,state=waiting,subsystem=http}", 4),
        ("kong_nginx_connections_total{node_id=node,state=writing,subsystem=http}", 2),
        ("kong_nginx_connections_total{node_id=node,state=total,subsystem=http}", 70),
        ("kong_nginx_requests_total{node_id=node,subsystem=http}", 70),
        ("kong_nginx_timers{state=running}", 0),
        ("kong_nginx_timers{state=pending}", 0),
        ("kong_node_info{node_id=node,version=0.1}", 1),
        ("kong_nginx_metric_errors_total{}", 0),
        ("dbless_config_info{hash=abc}", 1),
        ("dbless_config_loads_total{}", 4),
        ("dbless_config_loads_rejected_total{}", 1),
        ("dbless_config_last_load_successful{}", 1),
        ("dbless_config_last_success_timestamp_seconds{}", 50),
        ("dbless_config_last_load_duration_seconds{}", 2),
        ("dbless_config_last_swap_duration_seconds{}", 0.0015),
        ("dbless_certificate_expiry_timestamp_seconds{certificate=ssl_cert,kind=listener,sni=}", 100),
        ("dbless_certificate_expiry_timestamp_seconds{certificate=c1,kind=certificate,sni=a.test}", 200),
        ("dbless_workers_serving{}", 1),
        ("dbless_worker_restarts_total{worker=1}", 2),
        ("dbless_worker_loop_lag_seconds{worker=0}", 0.0025),
        ("dbless_worker_loop_lag_seconds{worker=1}", 0),
        ("dbless_requests_active{}", 5),
        ("dbless_requests_refused_total{}", 6),
        ("dbless_upstream_retries_total{}", 3),
        ("dbless_upstream_connections_idle{}", 11),
    ],
)
def test_a_series_of_the_node(series: str, value: float) -> None:
    assert samples(FixedCommands(BUSY, served=catalog()))[series] == value


def test_a_refused_load_is_told() -> None:
    refused = ReloadReport("rejected", 2.0, "abc", None, 1.0)
    for load, told in ((refused, 0), (RECEIPT, 1), (None, 1)):
        found = samples(FixedCommands(replace(NODE, last_load=load)))
        assert found["dbless_config_last_load_successful{}"] == told


def test_requests_are_told_while_the_plugin_is_there() -> None:
    found = samples(FixedCommands(served=catalog(COUNTED), series=SERIES))
    assert found["kong_http_requests_total{service=users}"] == 3
    hidden = samples(FixedCommands(served=catalog(), series=SERIES))
    assert not [name for name in hidden if name.startswith("kong_http")]


@pytest.mark.parametrize(
    ("state", "count"), [("healthy", 1), ("unhealthy", 1), ("dns_error", 1), ("healthchecks_off", 0)]
)
def test_addresses_are_counted_by_health(state: str, count: int) -> None:
    found = samples(FixedCommands(served=catalog(), views=HEALTH))
    assert found[f"dbless_target_addresses{{state={state}}}"] == count
    assert not [name for name in found if name.startswith("kong_upstream_target_health")]


@pytest.mark.parametrize(
    ("target", "address", "health"),
    [
        ("a.test:80", "10.0.0.1:80", "healthy"),
        ("a.test:80", "10.0.0.2:80", "unhealthy"),
        ("gone.test:80", "", "dns_error"),
    ],
)
def test_addresses_are_listed_on_request(target: str, address: str, health: str) -> None:
    found = samples(FixedCommands(served=catalog(LISTED), views=HEALTH))
    states = {
        state: found[
            f"kong_upstream_target_health{{address={address},state={state},"
            f"subsystem=http,target={target},upstream=up}}"
        ]
        for state in ("healthchecks_off", "healthy", "unhealthy", "dns_error")
    }
    assert states == {state: int(state == health) for state in states}


def test_every_metric_of_the_table_is_shown_and_in_its_order() -> None:
    body = ask(FixedCommands(BUSY, served=catalog(LISTED), views=HEALTH), "GET", "/metrics").body or b""
    shown = [line.split()[2] for line in body.decode().splitlines() if line.startswith("# TYPE")]
    assert shown == list(FAMILIES)


def test_a_node_that_has_not_started_can_be_scraped() -> None:
    assert samples(FixedCommands(NODE))["dbless_workers_serving{}"] == 2
