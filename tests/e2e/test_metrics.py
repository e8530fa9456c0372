"""``/metrics`` of a real gateway: over all workers, through reloads and the loss of a worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.authority import Authority
from tests.support.client import fetch
from tests.support.config import service, write
from tests.support.gateway import START_TIMEOUT_S, Gateway
from tests.support.origin import Origin
from tests.support.ports import free_ports

pytestmark = pytest.mark.slow

WORKERS = 2
REQUESTS = 30
EVERYTHING = dict.fromkeys(
    ("status_code_metrics", "latency_metrics", "bandwidth_metrics", "upstream_health_metrics"), True
)


def scrape(gateway: Gateway) -> dict[str, float]:
    """Return the samples by name and labels, as Prometheus' own parser reads them."""
    response = fetch(gateway.status_port, "/metrics")
    assert response.status == 200
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(response.body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def total(samples: dict[str, float], name: str, *labels: str) -> float:
    """Return the sum of a metric's samples with these labels."""
    return sum(
        value
        for series, value in samples.items()
        if series.startswith(name + "{") and all(label in series for label in labels)
    )


def configuration(folder: Path, origin: Origin, marker: str) -> Path:
    host, port = origin.address.rsplit(":", 1)
    dead = free_ports(1)[0]
    targets = [{"target": f"{host}:{port}"}, {"target": f"127.0.0.1:{dead}"}]
    checks = {"passive": {"unhealthy": {"tcp_failures": 1}}}
    pem = Authority().issue("a.test")
    return write(
        folder,
        service(origin.address, "/one"),
        {"name": "up", "host": "up", "routes": [{"name": "up", "paths": ["/up"]}]},
        plugins=[{"name": "prometheus", "config": EVERYTHING}],
        upstreams=[{"name": "up", "targets": targets, "healthchecks": checks, "tags": [marker]}],
        certificates=[{"cert": pem.cert, "key": pem.key, "snis": [{"name": "a.test"}]}],
    )


def wait_until(gateway: Gateway, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, str(gateway.log)
        gateway.log.pause(0.05)


COUNTED: tuple[tuple[str, Any], ...] = (
    ("kong_http_requests_total", ("service=service-one", "route=route-one", "code=200", "source=service")),
    ("kong_bandwidth_bytes_total", ("route=route-one", "direction=ingress")),
    ("kong_bandwidth_bytes_total", ("route=route-one", "direction=egress")),
    ("kong_kong_latency_ms_count", ("route=route-one",)),
    ("kong_upstream_latency_ms_count", ("route=route-one",)),
    ("kong_request_latency_ms_count", ("route=route-one",)),
    ("kong_nginx_requests_total", ("subsystem=http",)),
    ("kong_nginx_connections_total", ("state=accepted",)),
    ("kong_nginx_connections_total", ("state=handled",)),
    ("dbless_upstream_retries_total", ()),
    ("dbless_config_loads_total", ()),
)


def test_counters_survive_reloads_and_workers(tmp_path: Path) -> None:
    with Origin() as origin, Gateway(configuration(tmp_path, origin, "first"), workers=WORKERS) as gateway:
        for _ in range(REQUESTS):
            assert gateway.fetch("/one").status == 200
            assert gateway.fetch("/up").status == 200
        before = scrape(gateway)
        for name, labels in COUNTED:
            assert total(before, name, *labels) > 0, name
        assert total(before, *("kong_http_requests_total", "route=route-one")) == REQUESTS
        assert total(before, "dbless_upstream_connections_idle") > 0
        assert total(before, "dbless_worker_loop_lag_seconds") >= 0
        assert sum(series.startswith("dbless_worker_loop_lag_seconds{") for series in before) == WORKERS
        assert total(before, "dbless_certificate_expiry_timestamp_seconds", "sni=a.test") > time.time()
        served = gateway.status()["configuration_hash"]
        assert before[f"dbless_config_info{{hash={served}}}"] == 1

        configuration(tmp_path, origin, "second")
        gateway.wait_for_configuration(served)
        pids = gateway.worker_pids()
        os.kill(pids[0], signal.SIGKILL)
        wait_until(gateway, lambda: total(scrape(gateway), "dbless_worker_restarts_total") == 1)
        wait_until(gateway, lambda: total(scrape(gateway), "dbless_workers_serving") == WORKERS)

        after = scrape(gateway)
        for name, labels in COUNTED:
            assert total(after, name, *labels) >= total(before, name, *labels), name
        for _ in range(REQUESTS):
            gateway.fetch("/one")
        assert total(scrape(gateway), *("kong_http_requests_total", "route=route-one")) == 2 * REQUESTS


def test_health_of_targets_and_what_a_bad_file_does(tmp_path: Path) -> None:
    with Origin() as origin, Gateway(configuration(tmp_path, origin, "first")) as gateway:
        # Round-robin over two targets: one of them is found dead.
        for _ in range(4):
            assert gateway.fetch("/up").status == 200

        def is_noticed() -> bool:
            samples = scrape(gateway)
            return total(samples, "dbless_target_addresses", "state=unhealthy") == 1

        wait_until(gateway, is_noticed)
        samples = scrape(gateway)
        assert total(samples, "dbless_target_addresses", "state=healthy") == 1
        up = ("upstream=up", f"address={origin.address}")
        assert total(samples, "kong_upstream_target_health", *up, "state=healthy") == 1
        assert total(samples, "kong_upstream_target_health", *up) == 1

        (tmp_path / "kong.yaml").write_text("services: {")
        gateway.log.wait_for("rejected")
        assert scrape(gateway)["dbless_config_last_load_successful{}"] == 0
        assert total(scrape(gateway), "dbless_config_loads_rejected_total") == 1
