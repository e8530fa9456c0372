"""Which instance of a log plugin reports a request: the consumer's, the route's, the service's or the global
one, and never two of them.
"""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.client import fetch
from tests.support.config import service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin
from tests.support.wire import TIMEOUT_S

HTTP_SINKS = ("http-log", "opentelemetry", "zipkin")
UDP_SINKS = ("statsd", "udp-log")
KEY = [("apikey", "alices-key")]
# Path and headers of each request, and the scope whose instance reports it.
REQUESTS: tuple[tuple[str, list[tuple[str, str]], str], ...] = (
    ("/global", [], "global"),
    ("/service", [], "service"),
    ("/route", [], "route"),
    ("/route", KEY, "consumer"),
    ("/global", KEY, "consumer"),
    ("/no-such-route", [], "global"),
)
EXPECTED = Counter(scope for _, _, scope in REQUESTS)
# What prometheus counts tells the instance.
COUNTED = {
    "global": {"status_code_metrics": True},
    "service": {"bandwidth_metrics": True},
    "route": {"latency_metrics": True},
    "consumer": {"status_code_metrics": True, "per_consumer": True},
}


@dataclass(frozen=True)
class Reports:
    """What the sinks had got when the gateway had ended."""

    http: dict[str, list[bytes]]
    udp: dict[str, list[bytes]]
    tcp: list[bytes]
    files: dict[str, list[bytes]]
    metrics: str


def instances(scope: str, folder: Path, ports: dict[str, int]) -> list[dict[str, Any]]:
    """Return one instance of each plugin, which marks what it reports with its scope."""
    marked = {"custom_fields_by_lua": {"scope": f"return '{scope}'"}}

    def http(name: str) -> str:
        return f"http://127.0.0.1:{ports[name]}/{scope}"

    count = {"name": "request_count", "stat_type": "counter", "sample_rate": 1}
    configs: dict[str, dict[str, Any]] = {
        "file-log": {"path": str(folder / f"{scope}.log")},
        "http-log": {"http_endpoint": http("http-log"), **marked},
        "opentelemetry": {
            "traces_endpoint": http("opentelemetry"),
            "sampling_rate": 1,
            "resource_attributes": {"scope": scope},
        },
        "prometheus": COUNTED[scope],
        "statsd": {"host": "127.0.0.1", "port": ports["statsd"], "prefix": scope, "metrics": [count]},
        "tcp-log": {"host": "127.0.0.1", "port": ports["tcp-log"], **marked},
        "udp-log": {"host": "127.0.0.1", "port": ports["udp-log"], **marked},
        "zipkin": {"http_endpoint": http("zipkin"), "sample_ratio": 1, "local_service_name": scope},
    }
    return [{"name": name, "config": config} for name, config in configs.items()]


def configuration(folder: Path, address: str, ports: dict[str, int]) -> Path:
    def of(scope: str) -> list[dict[str, Any]]:
        return instances(scope, folder, ports)

    alice = {"username": "alice", "keyauth_credentials": [{"key": "alices-key"}], "plugins": of("consumer")}
    return write(
        folder,
        service(address, "/global"),
        service(address, "/service", plugins=of("service")),
        # The route's instances win over those of its service.
        service(address, "/route", plugins=of("service"), route={"plugins": of("route")}),
        plugins=[{"name": "key-auth", "config": {"anonymous": "nobody"}}, *of("global")],
        consumers=[alice, {"username": "nobody"}],
    )


def _datagrams(sink: socket.socket) -> Iterator[bytes]:
    sink.setblocking(False)
    while True:
        try:
            yield sink.recv(65536)
        except BlockingIOError:
            return


def _stream(listener: socket.socket) -> list[bytes]:
    listener.settimeout(TIMEOUT_S)
    connection, _ = listener.accept()
    connection.settimeout(TIMEOUT_S)
    with connection, connection.makefile("rb") as lines:
        return list(lines)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    folder = tmp_path_factory.mktemp("scopes")
    with ExitStack() as stack:
        origin = stack.enter_context(Origin())
        http = {name: stack.enter_context(Origin(name=name)) for name in HTTP_SINKS}
        udp = {
            name: stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for name in UDP_SINKS
        }
        for sink in udp.values():
            sink.bind(("127.0.0.1", 0))
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        ports = {name: sink.port for name, sink in http.items()}
        ports |= {name: sink.getsockname()[1] for name, sink in {**udp, "tcp-log": tcp}.items()}
        with Gateway(configuration(folder, origin.address, ports)) as gateway:
            statuses = [gateway.fetch(path, headers=headers).status for path, headers, _ in REQUESTS]
            metrics = fetch(gateway.status_port, "/metrics").body.decode()
        # It has ended, so every queue is empty.
        assert statuses == [200] * 5 + [404]
        return Reports(
            http={name: [request.body for request in sink.requests] for name, sink in http.items()},
            udp={name: list(_datagrams(sink)) for name, sink in udp.items()},
            tcp=_stream(tcp),
            files={file.stem: file.read_bytes().splitlines() for file in folder.glob("*.log")},
            metrics=metrics,
        )


def _marks(records: list[bytes]) -> Counter[str]:
    return Counter(json.loads(record)["scope"] for record in records)


def _zipkin(reports: Reports) -> Counter[str]:
    spans = [span for body in reports.http["zipkin"] for span in json.loads(body)]
    return Counter(span["localEndpoint"]["serviceName"] for span in spans if span["kind"] == "SERVER")


def _opentelemetry(reports: Reports) -> Counter[str]:
    found: Counter[str] = Counter()
    for body in reports.http["opentelemetry"]:
        for part in ExportTraceServiceRequest.FromString(body).resource_spans:
            attributes = {item.key: item.value.string_value for item in part.resource.attributes}
            spans = [span for scope in part.scope_spans for span in scope.spans if span.name == "kong"]
            found[attributes["scope"]] += len(spans)
    return found


@pytest.mark.parametrize(
    "reported",
    [
        pytest.param(lambda reports: _marks(reports.http["http-log"]), id="http-log"),
        pytest.param(lambda reports: _marks(reports.tcp), id="tcp-log"),
        pytest.param(lambda reports: _marks(reports.udp["udp-log"]), id="udp-log"),
        pytest.param(
            lambda reports: Counter({scope: len(lines) for scope, lines in reports.files.items()}),
            id="file-log",
        ),
        pytest.param(
            lambda reports: Counter(line.decode().partition(".")[0] for line in reports.udp["statsd"]),
            id="statsd",
        ),
        pytest.param(_opentelemetry, id="opentelemetry"),
    ],
)
def test_one_instance_reports_a_request(
    reports: Reports, reported: Callable[[Reports], Counter[str]]
) -> None:
    assert reported(reports) == EXPECTED


def test_zipkin_begins_before_the_consumer_is_known(reports: Reports) -> None:
    assert _zipkin(reports) == Counter({"global": 3, "service": 1, "route": 2})


def test_prometheus(reports: Reports) -> None:
    found = {
        (sample.name, sample.labels["route"], sample.labels.get("consumer")): sample.value
        for family in text_string_to_metric_families(reports.metrics)
        for sample in family.samples
        if sample.name
        in ("kong_http_requests_total", "kong_bandwidth_bytes_total", "kong_kong_latency_ms_count")
    }

    # A request that matched no route is not counted.
    assert found.keys() == {
        ("kong_http_requests_total", "route-global", ""),
        ("kong_http_requests_total", "route-global", "alice"),
        ("kong_http_requests_total", "route-route", "alice"),
        ("kong_bandwidth_bytes_total", "route-service", ""),
        ("kong_kong_latency_ms_count", "route-route", None),
    }
    assert all(value == 1 for (name, _, _), value in found.items() if name != "kong_bandwidth_bytes_total")


def test_what_matched_no_route_is_told_by_the_global_instances(reports: Reports) -> None:
    records = [json.loads(line) for line in reports.files["global"]]
    (unmatched,) = [record for record in records if record["response"]["status"] == 404]

    assert not {"route", "service", "tries", "consumer"} & unmatched.keys()
    assert (unmatched["upstream_uri"], unmatched["upstream_status"], unmatched["source"]) == ("", "", "kong")
    assert (unmatched["latencies"]["proxy"], unmatched["latencies"]["receive"]) == (-1, 0)
    assert b"global.global.unmatched.request.count:1|c" in reports.udp["statsd"]
