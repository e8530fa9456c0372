"""What the bundled plugins send away about a request, received by real listeners."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
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
from tests.support.plugin_routes import write_plugin_routes
from tests.support.ports import free_ports
from tests.support.wire import TIMEOUT_S, Request

HTTP_SINKS = ("http-log", "opentelemetry", "zipkin")
UDP_SINKS = ("statsd", "udp-log")
SECRET = "a-secret-that-no-log-may-show"


@dataclass(frozen=True)
class Stage:
    gateway: Gateway
    http: dict[str, Origin]
    udp: dict[str, socket.socket]
    tcp: socket.socket
    folder: Path

    def ask(self, plugin: str) -> None:
        """Send a request with secrets to the route of a plugin."""
        headers = [("Authorization", f"Bearer {SECRET}"), ("Cookie", f"a={SECRET}"), ("apikey", SECRET)]
        assert self.gateway.fetch(f"/{plugin}/users?page=2", headers=headers).status == 200


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("logs")
    udp = {name: socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for name in UDP_SINKS}
    for sink in udp.values():
        sink.bind(("127.0.0.1", 0))
        sink.settimeout(TIMEOUT_S)
    http = {name: Origin(name=name) for name in HTTP_SINKS}
    with Origin() as origin, socket.create_server(("127.0.0.1", 0)) as tcp:
        tcp.settimeout(TIMEOUT_S)
        ports = {name: sink.getsockname()[1] for name, sink in udp.items()}
        ports |= {name: sink.port for name, sink in http.items()} | {"tcp-log": tcp.getsockname()[1]}
        with Gateway(write_plugin_routes(folder, origin.address, ports)) as gateway:
            yield Stage(gateway, http, udp, tcp, folder)
    assert "Traceback" not in str(gateway.log)
    for receiver in http.values():
        receiver.close()
    for sink in udp.values():
        sink.close()


def check_record(record: dict[str, Any], plugin: str) -> None:
    """The record that all log plugins share, with the request in it and no secret."""
    assert SECRET not in json.dumps(record)
    request = record["request"]
    assert request["uri"] == f"/{plugin}/users?page=2"
    assert (request["method"], request["querystring"]) == ("GET", {"page": "2"})
    assert request["headers"]["authorization"] == "REDACTED"
    assert (record["response"]["status"], record["upstream_status"]) == (200, "200")
    assert record["upstream_uri"] == "/users?page=2"
    assert (record["service"]["name"], record["route"]["name"]) == (f"service-{plugin}", f"route-{plugin}")
    assert record["client_ip"] == "127.0.0.1"
    assert len(record["tries"]) == 1


def test_file_log(stage: Stage) -> None:
    stage.ask("file-log")
    file = stage.folder / "requests.log"
    for _ in range(200):
        if file.exists() and file.read_text().endswith("\n"):
            break
        stage.gateway.log.pause(0.05)

    (line,) = file.read_text().splitlines()
    check_record(json.loads(line), "file-log")


def _received(stage: Stage, plugin: str) -> Request:
    stage.ask(plugin)
    return stage.http[plugin].next_request()


def test_http_log(stage: Stage) -> None:
    received = _received(stage, "http-log")

    assert received.start_line == "POST /in HTTP/1.1"
    assert received.get("Content-Type") == "application/json"
    sent = json.loads(received.body)
    (record,) = sent if isinstance(sent, list) else [sent]
    check_record(record, "http-log")


def test_udp_log(stage: Stage) -> None:
    stage.ask("udp-log")

    check_record(json.loads(stage.udp["udp-log"].recv(65536)), "udp-log")


def test_tcp_log(stage: Stage) -> None:
    stage.ask("tcp-log")
    connection, _ = stage.tcp.accept()
    with connection, connection.makefile() as lines:
        check_record(json.loads(lines.readline()), "tcp-log")


def test_statsd(stage: Stage) -> None:
    stage.ask("statsd")

    assert stage.udp["statsd"].recv(65536) == b"kong.service.service-statsd.request.count:1|c"


def test_zipkin(stage: Stage) -> None:
    stage.ask("zipkin")
    spans: dict[str, dict[str, Any]] = {}
    while not spans.keys() >= {"SERVER", "CLIENT"}:
        received = stage.http["zipkin"].next_request()
        assert received.start_line == "POST /in HTTP/1.1"
        assert SECRET.encode() not in received.body
        spans |= {span["kind"]: span for span in json.loads(received.body) if "kind" in span}

    assert spans["SERVER"]["tags"]["http.status_code"] == "200"
    assert spans["SERVER"]["tags"]["http.path"] == "/zipkin/users"
    assert spans["CLIENT"]["traceId"] == spans["SERVER"]["traceId"]


def test_opentelemetry(stage: Stage) -> None:
    received = _received(stage, "opentelemetry")
    message = ExportTraceServiceRequest()
    message.ParseFromString(received.body)
    spans = [
        span for resource in message.resource_spans for scope in resource.scope_spans for span in scope.spans
    ]

    assert received.get("Content-Type") == "application/x-protobuf"
    assert SECRET.encode() not in received.body
    assert len({span.trace_id for span in spans}) == 1
    roots = [span for span in spans if not span.parent_span_id]
    attributes = {attribute.key: attribute.value for attribute in roots[0].attributes}
    assert len(roots) == 1
    assert attributes["http.status_code"].int_value == 200


def test_prometheus(stage: Stage) -> None:
    stage.ask("prometheus")
    text = fetch(stage.gateway.status_port, "/metrics").body.decode()
    counted = {
        sample.labels["route"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "kong_http_requests_total"
    }

    assert counted["route-prometheus"] == 1


def test_a_retried_request_tells_every_try(tmp_path: Path) -> None:
    dead = free_ports(1)[0]
    with Origin() as origin:
        alive = {"target": origin.address, "weight": 1}
        targets = [{"target": f"127.0.0.1:{dead}", "weight": 1}, alive]
        log = {"name": "file-log", "config": {"path": str(tmp_path / "requests.log")}}
        dead_service = service(f"127.0.0.1:{dead}", "/dead", retries=1)
        balanced = {"name": "up", "host": "up", "routes": [{"name": "up", "paths": ["/up"]}]}
        upstreams = [{"name": "up", "targets": targets}]
        file = write(tmp_path, balanced, dead_service, plugins=[log], upstreams=upstreams)
        with Gateway(file) as gateway:
            # Round-robin over two: one of these meets the dead one first.
            statuses = [gateway.fetch(path).status for path in ("/up", "/up", "/dead")]
    *up, failed = [json.loads(line) for line in (tmp_path / "requests.log").read_text().splitlines()]

    assert statuses == [200, 200, 502]
    assert sorted(record["upstream_status"] for record in up) == ["200", "502, 200"]
    (retried,) = [record for record in up if len(record["tries"]) == 2]
    first, second = retried["tries"]
    assert (first["port"], first["state"], first["code"]) == (dead, "failed", 502)
    assert second.keys().isdisjoint({"state", "code"})
    assert (failed["upstream_status"], failed["source"]) == ("502, 502", "kong")
