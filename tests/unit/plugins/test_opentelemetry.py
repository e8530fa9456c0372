"""opentelemetry, row by row of its page; what is exported is read by the official protobuf classes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import opentelemetry
from tests.support.plugin_context import (
    FakeContext,
    FakeHost,
    make_env,
    make_handler,
    make_route,
    make_service,
)
from tests.support.sinks import HttpSink

T32, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
DEFAULTS: dict[str, Any] = {
    "traces_endpoint": "http://collector.test/v1/traces",
    "logs_endpoint": None,
    "queue": {"max_batch_size": 200},
    "header_type": "preserve",
    "sampling_rate": 1,
    "propagation": {"default_format": "w3c"},
}
TRY = {"balancer_start_ns": 5_000_000_000, "balancer_latency_ns": 70, "ip": "10.0.0.5", "port": 81}


def context(headers: Any = (), **facts: Any) -> FakeContext:
    ctx = FakeContext(
        target="/a?x=1",
        headers=headers,
        route=facts.get("route", make_route("r1", paths=("/a", "/b"))),
        service=facts.get("service", make_service("s1", host="api.test")),
    )
    ctx.tries = facts.get("tries", [TRY])
    return ctx


def export(*contexts: FakeContext, status: int = 200, answer: int = 200, **config: Any) -> tuple[bytes, Any]:
    """Run requests through the plugin; return the head and the message that the collector got."""

    async def scenario() -> tuple[bytes, bytes]:
        host = FakeHost()
        async with HttpSink(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % answer) as sink:
            values = DEFAULTS | {"traces_endpoint": sink.url} | config
            handler = make_handler(opentelemetry, values, make_env(host))
            for ctx in contexts:
                handler.access(ctx)
                ctx.respond(status)
                handler.header_filter(ctx)
                handler.log(ctx)
            (queue,) = host.queues.values()
            try:
                await queue.send(queue.entries)
            finally:
                for client in host.resources.values():
                    client.close()
            return (await sink.requests(1))[0]

    head, body = asyncio.run(scenario())
    return head, ExportTraceServiceRequest.FromString(body)


def attributes(items: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in items}


def test_the_spans() -> None:
    ctx = context([("Host", "gateway.test")])
    head, message = export(ctx, headers={"X-Key": "k"})
    (resource_spans,) = message.resource_spans
    (scope_spans,) = resource_spans.scope_spans
    root, attempt = scope_spans.spans

    assert b"\r\nX-Key: k\r\nContent-Type: application/x-protobuf\r\n" in head
    assert attributes(resource_spans.resource.attributes) == {
        "service.name": "kong",
        "service.version": "3.9.1",
        "service.instance.id": "11111111-2222-4333-8444-555555555555",
    }
    assert (scope_spans.scope.name, scope_spans.scope.version) == ("kong-internal", "0.1.0")
    assert (root.name, root.kind, root.parent_span_id) == ("kong", 2, b"")
    assert root.end_time_unix_nano - root.start_time_unix_nano == 12_000_000
    assert attributes(root.attributes) == {
        "http.method": "GET",
        "http.url": "http://gateway.test/a?x=1",
        "http.host": "gateway.test",
        "http.scheme": "http",
        "http.flavor": "1.1",
        "http.client_ip": "127.0.0.1",
        "net.peer.ip": "127.0.0.1",
        "kong.request.id": "0123456789abcdef0123456789abcdef",
        "http.status_code": 200,
        "http.route": "/a",
    }
    assert (attempt.name, attempt.kind, attempt.parent_span_id) == ("kong.balancer", 3, root.span_id)
    assert (attempt.start_time_unix_nano, attempt.end_time_unix_nano) == (5_000_000_000, 5_000_000_070)
    assert attributes(attempt.attributes) == {
        "try_count": 1.0,
        "net.peer.ip": "10.0.0.5",
        "net.peer.port": 81.0,
        "net.peer.name": "api.test",
    }
    sent = f"00-{root.trace_id.hex()}-{attempt.span_id.hex()}-01"
    assert ctx.upstream.headers.get("traceparent") == sent


def test_credentials_of_a_query_are_not_exported() -> None:
    ctx = context()
    ctx.raw_query = "apikey=s3cret&x=1"
    _, message = export(ctx)

    root = message.resource_spans[0].scope_spans[0].spans[0]
    assert attributes(root.attributes)["http.url"] == "http://gateway.test/a?apikey=REDACTED&x=1"


def test_failures() -> None:
    failed = TRY | {"state": "failed", "code": 502}
    _, message = export(context(tries=[failed, TRY], route=None, service=None), status=502)
    root, first, second = message.resource_spans[0].scope_spans[0].spans

    assert [span.status.code for span in (root, first, second)] == [2, 2, 0]
    assert attributes(first.attributes)["http.status_code"] == 502
    assert attributes(root.attributes)["http.route"] == ""


def test_an_incoming_trace_is_continued() -> None:
    _, message = export(context([("traceparent", f"00-{T32}-{SPAN}-01")]))
    root = message.resource_spans[0].scope_spans[0].spans[0]

    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (T32, SPAN)


def test_headers_may_name_another_content_type() -> None:
    head, _ = export(context(), headers={"content-type": "application/x-other"})

    assert head.lower().count(b"content-type:") == 1
    assert b"\r\ncontent-type: application/x-other\r\n" in head


@pytest.mark.parametrize(
    ("headers", "trace_id", "parent"),
    [
        ([("b3", f"{T32}-{SPAN}-1")], T32, SPAN),
        ([("uber-trace-id", f"{T32}:{SPAN}:0:1")], T32, SPAN),
        ([("x-datadog-trace-id", "1234"), ("x-datadog-parent-id", "5678")], f"{1234:032x}", f"{5678:016x}"),
    ],
)
def test_any_format_is_continued(headers: list[tuple[str, str]], trace_id: str, parent: str) -> None:
    ctx = context(headers)
    _, message = export(ctx)
    root = message.resource_spans[0].scope_spans[0].spans[0]

    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (trace_id, parent)
    assert ctx.upstream.headers.get("traceparent") is None, "what came in goes out"


def test_resource_attributes() -> None:
    contexts = [context([("X-Zone", zone)]) for zone in ("eu", "us", "eu")]
    values = {"service.name": "gateway", "zone": "$(headers['x-zone'])", "bad": "$(no.thing)"}
    _, message = export(*contexts, resource_attributes=values)
    found = [
        (attributes(part.resource.attributes), len(part.scope_spans[0].spans))
        for part in message.resource_spans
    ]

    assert [(names["service.name"], names["zone"], count) for names, count in found] == [
        ("gateway", "eu", 4),
        ("gateway", "us", 2),
    ]
    assert "bad" not in found[0][0]


def exported(ctx: FakeContext, **config: Any) -> int:
    host = FakeHost()
    handler = make_handler(opentelemetry, DEFAULTS | config, make_env(host))
    handler.access(ctx)
    ctx.respond()
    handler.header_filter(ctx)
    handler.log(ctx)
    return sum(len(queue.entries) for queue in host.queues.values())


@pytest.mark.parametrize(
    ("config", "headers", "spans"),
    [
        ({}, [], 2),
        ({"sampling_rate": 0}, [], 0),
        ({"sampling_rate": 0}, [("traceparent", f"00-{T32}-{SPAN}-01")], 0),
        ({}, [("traceparent", f"00-{T32}-{SPAN}-00")], 0),
        ({"sampling_rate": 0.5}, [("traceparent", f"00-{'0' * 14}7f{T32[16:]}-{SPAN}-01")], 2),
        ({"sampling_rate": 0.5}, [("traceparent", f"00-{'0' * 14}80{T32[16:]}-{SPAN}-01")], 0),
        ({"sampling_rate": None}, [("traceparent", f"00-{'0' * 14}1f{T32[16:]}-{SPAN}-01")], 0),
        ({"sampling_rate": None}, [("traceparent", f"00-{'1f' + '0' * 14}{T32[16:]}-{SPAN}-01")], 2),
    ],
)
def test_sampling(config: dict[str, Any], headers: list[tuple[str, str]], spans: int) -> None:
    ctx = context(headers)

    assert exported(ctx, **config) == spans
    flag = "01" if spans else "00"
    assert (ctx.upstream.headers.get("traceparent") or "").endswith(flag)


def test_only_logs_touch_nothing() -> None:
    ctx = context()

    logs = {"logs_endpoint": "http://c.test/v1/logs", "http_response_header_for_traceid": "X-Trace"}
    assert exported(ctx, traces_endpoint=None, **logs) == 0
    assert ctx.upstream.headers.items() == []
    assert ctx.response.headers.get("X-Trace") is None


def test_without_access_the_request_is_still_exported() -> None:
    host = FakeHost()
    handler = make_handler(opentelemetry, DEFAULTS, make_env(host))
    ctx = context(tries=[])
    ctx.respond(404)
    handler.log(ctx)

    assert [len(queue.entries) for queue in host.queues.values()] == [1]


def test_the_trace_id_is_told_to_the_client() -> None:
    ctx = context([("traceparent", f"00-{T32}-{SPAN}-01")])
    export(ctx, http_response_header_for_traceid="X-Trace")

    assert ctx.response.headers.get("X-Trace") == T32


def test_only_200_is_success() -> None:
    with pytest.raises(ConnectionError, match="collector answered 202"):
        export(context(), answer=202)


@pytest.mark.parametrize(
    ("config", "batch", "delay"),
    [
        ({}, 200, None),
        ({"batch_span_count": 200, "batch_flush_delay": 3}, 200, None),
        ({"batch_span_count": 5, "batch_flush_delay": 7}, 5, 7),
    ],
)
def test_old_queue_fields(config: dict[str, Any], batch: int, delay: int | None) -> None:
    host = FakeHost()
    handler = make_handler(opentelemetry, DEFAULTS | config, make_env(host))
    ctx = context()
    handler.access(ctx)
    ctx.respond()
    handler.log(ctx)
    (queue,) = host.queues.values()

    assert (queue.parameters["max_batch_size"], queue.parameters["max_coalescing_delay"]) == (batch, delay)


@pytest.mark.parametrize(
    ("config", "field", "message"),
    [
        (
            {"traces_endpoint": None},
            "",
            "at least one of these fields must be non-empty: 'traces_endpoint', 'logs_endpoint'",
        ),
        ({"traces_endpoint": "/x"}, "traces_endpoint", "missing host in url"),
        ({"resource_attributes": {"a": "$("}}, "resource_attributes.a", "missing ')' of '$('"),
    ],
)
def test_config_errors(config: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_handler(opentelemetry, DEFAULTS | config)

    assert (caught.value.field, caught.value.message) == (field, message)
