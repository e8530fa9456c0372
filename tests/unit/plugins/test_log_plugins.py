"""What the plugins that send in the background have in common: queues, timeouts, custom fields, TLS."""

from __future__ import annotations

import asyncio
import json
from types import ModuleType
from typing import Any

import pytest

from dbless_gateway.pdk.config import build_config
from dbless_gateway.plugins import http_log, opentelemetry, statsd, syslog, tcp_log, udp_log, zipkin
from tests.support.certificates import self_signed
from tests.support.plugin_context import FakeContext, FakeHost, make_env
from tests.support.sinks import HttpSink, TcpSink

QUEUED: dict[ModuleType, dict[str, Any]] = {
    http_log: {"http_endpoint": "http://logs.test/"},
    opentelemetry: {"traces_endpoint": "http://collector.test/", "sampling_rate": 1, "propagation": {}},
    statsd: {"metrics": [{"name": "request_count", "stat_type": "counter", "sample_rate": 1}]},
    zipkin: {"http_endpoint": "http://zipkin.test/", "sample_ratio": 1, "propagation": {}},
}
QUEUED[zipkin] |= {"local_service_name": "kong", "http_span_name": "method", "tags_header": "Zipkin-Tags"}
QUEUED[zipkin] |= {"phase_duration_flavor": "annotations", "traceid_byte_count": 16}
QUEUED[statsd] |= {
    "prefix": "kong",
    "consumer_identifier_default": "custom_id",
    "service_identifier_default": "service_name_or_host",
    "workspace_identifier_default": "workspace_id",
}
ENDPOINTS = {http_log: "http_endpoint", opentelemetry: "traces_endpoint", zipkin: "http_endpoint"}
PARAMETERS = {
    "max_batch_size": 7,
    "max_coalescing_delay": 0.5,
    "max_entries": 11,
    "max_bytes": 4096,
    "max_retry_time": 13,
    "initial_retry_delay": 0.25,
    "max_retry_delay": 17,
    "concurrency_limit": -1,
}


def names(modules: Any) -> list[str]:
    return [module.NAME for module in modules]


def log(module: ModuleType, host: FakeHost, /, **config: Any) -> Any:
    """Let one request pass through a plugin, given as the configuration's schema leaves it; return its
    handler.
    """
    values = QUEUED.get(module, {}) | {"queue": {}} | config
    handler = module.Handler(build_config(module.Config, values), make_env(host))
    ctx = FakeContext("GET", "/a")
    if hasattr(handler, "access"):
        handler.access(ctx)
    ctx.respond()
    handler.log(ctx)
    return handler


@pytest.mark.parametrize("module", QUEUED, ids=names(QUEUED))
def test_every_parameter_of_a_queue(module: ModuleType) -> None:
    host = FakeHost()
    log(module, host, queue=PARAMETERS)
    (queue,) = host.queues.values()
    assert queue.parameters == PARAMETERS


@pytest.mark.parametrize("module", [http_log, statsd], ids=["http-log", "statsd"])
def test_old_fields_of_a_queue(module: ModuleType) -> None:
    host = FakeHost()
    log(module, host, retry_count=3, queue_size=5, flush_timeout=9)
    (queue,) = host.queues.values()
    assert (queue.parameters["max_batch_size"], queue.parameters["max_coalescing_delay"]) == (5, 9)
    assert queue.parameters["max_retry_time"] is None, "the number of retries is ignored, as in Kong"


def send_to(sink: HttpSink, module: ModuleType, **config: Any) -> list[tuple[bytes, bytes]]:
    async def scenario() -> list[tuple[bytes, bytes]]:
        host = FakeHost()
        async with sink:
            log(module, host, **{ENDPOINTS[module]: sink.url}, **config)
            (queue,) = host.queues.values()
            try:
                await queue.send(queue.entries)
            finally:
                for client in host.resources.values():
                    client.close()
            return await sink.requests(1)

    return asyncio.run(scenario())


@pytest.mark.parametrize("module", ENDPOINTS, ids=names(ENDPOINTS))
def test_receiver_with_tls_is_not_verified_as_in_kong(module: ModuleType) -> None:
    ((head, body),) = send_to(HttpSink(tls=self_signed()), module)
    assert head.startswith(b"POST /log HTTP/1.1\r\n")
    assert body


@pytest.mark.parametrize(
    ("module", "config", "times"),
    [
        (http_log, {"http_endpoint": "http://127.0.0.1:9/"}, ("timeout", "keepalive")),
        (opentelemetry, {}, ("connect_timeout", "send_timeout", "read_timeout")),
        (zipkin, {}, ("connect_timeout", "send_timeout", "read_timeout")),
        (tcp_log, {"host": "127.0.0.1", "port": 9, "tls": False}, ("timeout", "keepalive")),
    ],
    ids=["http-log", "opentelemetry", "zipkin", "tcp-log"],
)
def test_changed_times_make_a_new_connection(
    module: ModuleType, config: dict[str, Any], times: tuple[str, ...]
) -> None:
    async def scenario() -> int:
        host = FakeHost()
        async with HttpSink() as sink, TcpSink() as lines:
            place = {"port": lines.port} if module is tcp_log else {ENDPOINTS[module]: sink.url}
            handlers = [
                log(module, host, **config | place | changed)
                for changed in ({}, *({name: 1234} for name in times))
            ]
            entries = next(iter(host.queues.values())).entries[:1]
            for handler in handlers:
                await handler.send(entries)
            if module is tcp_log:
                await lines.lines(len(handlers))
            for resource in host.resources.values():
                resource.close()
        return len(host.resources)

    assert asyncio.run(scenario()) == 1 + len(times)


class SilentSink(HttpSink):
    """Takes a request and never answers."""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("module", "timeouts"),
    [
        (http_log, {"timeout": 20}),
        (opentelemetry, {"connect_timeout": 5, "send_timeout": 5, "read_timeout": 10}),
        (zipkin, {"connect_timeout": 5, "send_timeout": 5, "read_timeout": 10}),
    ],
    ids=["http-log", "opentelemetry", "zipkin"],
)
def test_receiver_that_never_answers_costs_the_timeout(module: ModuleType, timeouts: dict[str, int]) -> None:
    with pytest.raises((TimeoutError, ConnectionError)):
        send_to(SilentSink(), module, **timeouts)


class Line:
    """Stands where the socket to the system's log would be."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, message: bytes) -> None:
        self.sent.append(message)


SYSLOG = {
    "log_level": "info",
    "successful_severity": "info",
    "client_errors_severity": "info",
    "server_errors_severity": "info",
    "facility": "user",
}


@pytest.mark.parametrize(
    ("module", "config"),
    [
        (http_log, {}),
        (syslog, SYSLOG),
        (tcp_log, {"host": "h", "port": 1, "tls": False}),
        (udp_log, {"host": "h", "port": 1}),
    ],
    ids=["http-log", "syslog", "tcp-log", "udp-log"],
)
def test_custom_fields(module: ModuleType, config: dict[str, Any]) -> None:
    host = FakeHost()
    line = host.resources["syslog"] = Line()
    log(
        module, host, custom_fields_by_lua={"team": "return 'blue'", "request.method": "return nil"}, **config
    )
    sent = line.sent or [entry for queue in host.queues.values() for entry in queue.entries]
    record = json.loads(sent[0][sent[0].index(b"{") :])
    assert record["team"] == "blue"
    assert "method" not in record["request"]
