"""zipkin, row by row of its page, against a real receiver on loopback."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import zipkin
from tests.support.plugin_context import (
    FakeContext,
    FakeHost,
    make_consumer,
    make_credential,
    make_env,
    make_handler,
    make_route,
    make_service,
)
from tests.support.sinks import HttpSink

T32, T16, SPAN, PARENT = (
    "0af7651916cd43dd8448eb211c80319c",
    "8448eb211c80319c",
    "b7ad6b7169203331",
    "00f067aa0ba902b7",
)
W3C = ("traceparent", f"00-{T32}-{SPAN}-01")
DEFAULTS: dict[str, Any] = {
    "local_service_name": "kong",
    "http_endpoint": "http://zipkin.test/api/v2/spans",
    "sample_ratio": 1,
    "default_service_name": None,
    "include_credential": True,
    "traceid_byte_count": 16,
    "header_type": "preserve",
    "default_header_type": "b3",
    "tags_header": "Zipkin-Tags",
    "http_span_name": "method",
    "phase_duration_flavor": "annotations",
    "queue": {"max_batch_size": 1},
    "propagation": {"default_format": "b3"},
}
TRY = {
    "balancer_start_ns": 1_700_000_000_300_000_000,
    "balancer_latency_ns": 5000,
    "ip": "10.0.0.5",
    "port": 81,
}


def context(headers: Any = (), **facts: Any) -> FakeContext:
    ctx = FakeContext(
        "GET",
        "/a?x=1",
        headers,
        route=facts.get("route", make_route("r1", name="users")),
        service=facts.get("service", make_service("s1", name="api", host="api.test")),
        client_ip=facts.get("ip", "10.0.0.9"),
    )
    ctx.tries = facts.get("tries", [TRY])
    return ctx


def trace(ctx: FakeContext, *, access: bool = True, **config: Any) -> list[dict[str, Any]]:
    host = FakeHost()
    handler = make_handler(zipkin, DEFAULTS | config, make_env(host))
    if access:
        handler.access(ctx)
    ctx.respond(200)
    handler.header_filter(ctx)
    handler.log(ctx)
    return [json.loads(entry) for queue in host.queues.values() for entry in queue.entries]


def test_spans_of_a_new_trace() -> None:
    ctx = context([("Host", "gateway.test")])
    attempt, proxy, request = trace(ctx)

    assert [span["name"] for span in (attempt, proxy, request)] == [
        "GET (balancer try 1)",
        "GET (proxy)",
        "GET",
    ]
    assert [span["kind"] for span in (attempt, proxy, request)] == ["CLIENT", "CLIENT", "SERVER"]
    assert attempt["parentId"] == proxy["parentId"] == request["id"]
    assert "parentId" not in request
    assert len({span["traceId"] for span in (attempt, proxy, request)}) == 1
    assert len(request["traceId"]) == 32
    assert ctx.upstream.headers.get("x-b3-traceid") == request["traceId"]
    assert ctx.upstream.headers.get("x-b3-spanid") == proxy["id"]
    assert ctx.upstream.headers.get("x-b3-parentspanid") == request["id"]
    assert ctx.upstream.headers.get("x-b3-sampled") == "1"


def test_the_request_span() -> None:
    ctx = context([("Zipkin-Tags", "a=1; b = two words ;junk"), ("Zipkin-Tags", "c=3")])
    ctx.consumer = make_consumer("c1")
    ctx.credential = make_credential("k1", "keyauth_credentials", "c1")
    span = trace(ctx, static_tags=[{"name": "zone", "value": "eu"}])[-1]

    assert span["timestamp"] == 1_700_000_000_250_000
    assert span["duration"] == 12_000
    assert span["localEndpoint"] == {"serviceName": "kong"}
    assert span["remoteEndpoint"] == {"ipv4": "10.0.0.9"}
    assert span["annotations"] == [
        {"value": "krs", "timestamp": 1_700_000_000_250_000},
        {"value": "krf", "timestamp": 1_700_000_000_250_000},
    ]
    assert span["tags"] == {
        "lc": "kong",
        "http.method": "GET",
        "http.host": "gateway.test",
        "http.path": "/a",
        "http.protocol": "HTTP/1.1",
        "http.status_code": "200",
        "kong.node.id": "11111111-2222-4333-8444-555555555555",
        "zone": "eu",
        "a": "1",
        "b": "two words",
        "c": "3",
        "kong.consumer": "c1",
        "kong.credential": "k1",
    }
    ctx = context(ip="::1")
    ctx.credential = make_credential("k1", "keyauth_credentials", "c1")
    span = trace(ctx, include_credential=False, http_span_name="method_path")[-1]
    assert "kong.credential" not in span["tags"]
    assert (span["name"], span["remoteEndpoint"]) == ("GET /a", {"ipv6": "::1"})


def test_items_that_are_no_tags_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    headers = [("X-Tags", "a=1;junk; =2;b= ;c=d=e"), ("Zipkin-Tags", "z=1")]
    tags = trace(context(headers), tags_header="X-Tags")[-1]["tags"]

    assert {name: tags.get(name) for name in ("a", "b", "c", "z")} == {
        "a": "1",
        "b": None,
        "c": "d=e",
        "z": None,
    }
    assert [record.getMessage() for record in caplog.records] == [
        f"Could not parse the following Zipkin tags: {item}" for item in ("junk", "=2", "b=")
    ]


@pytest.mark.parametrize(
    ("facts", "config", "name"),
    [
        ({}, {}, "api"),
        ({"service": make_service("s1", name=None, host="api.test")}, {}, "api.test"),
        ({"service": None}, {"default_service_name": "other"}, "other"),
        ({"service": None}, {}, None),
    ],
)
def test_the_name_of_the_remote_service(
    facts: dict[str, Any], config: dict[str, Any], name: str | None
) -> None:
    attempt, proxy, _ = trace(context(**facts), **config)

    assert attempt["remoteEndpoint"].get("serviceName") == name
    assert proxy["remoteEndpoint"].get("serviceName") == name


def test_names_of_spans_with_the_path() -> None:
    names = [span["name"] for span in trace(context(), http_span_name="method_path")]

    assert names == ["GET /a (balancer try 1)", "GET /a (proxy)", "GET /a"]


def test_the_other_spans() -> None:
    failed = TRY | {"state": "failed", "code": 502}
    first, second, proxy, _ = trace(context(tries=[failed, TRY]))

    assert (first["timestamp"], first["duration"]) == (1_700_000_000_300_000, 5)
    assert first["remoteEndpoint"] == {"ipv4": "10.0.0.5", "port": 81, "serviceName": "api"}
    target = {
        "kong.route": "r1",
        "kong.route_name": "users",
        "kong.service": "s1",
        "kong.service_name": "api",
    }
    assert first["tags"] == target | {
        "kong.balancer.try": "1",
        "error": "true",
        "kong.balancer.state": "failed",
        "http.status_code": "502",
    }
    assert second["tags"] == target | {"kong.balancer.try": "2"}
    assert proxy["tags"] == target | {"peer.hostname": "api.test"}
    assert [note["value"] for note in proxy["annotations"]] == ["kas", "kaf", "khs", "khf", "kbs", "kbf"]


def test_phases_as_tags() -> None:
    _, proxy, request = trace(context(), phase_duration_flavor="tags")

    assert "annotations" not in proxy
    assert request["tags"]["kong.rewrite.duration_ms"] == "0"
    assert {name: value for name, value in proxy["tags"].items() if "duration" in name} == {
        "kong.access.duration_ms": "2",
        "kong.header_filter.duration_ms": "0",
        "kong.body_filter.duration_ms": "2",
    }


@pytest.mark.parametrize(
    ("headers", "trace_id", "span_id", "parent_id"),
    [
        ([W3C], T32, None, SPAN),
        ([("b3", f"{T16}-{SPAN}-1-{PARENT}")], T16, SPAN, PARENT),
        ([("x-b3-traceid", T32), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")], T32, SPAN, None),
        ([("uber-trace-id", f"{T32}:{SPAN}:{PARENT}:1")], T32, SPAN, PARENT),
    ],
)
def test_an_incoming_trace_is_continued(
    headers: list[tuple[str, str]], trace_id: str, span_id: str | None, parent_id: str | None
) -> None:
    request = trace(context(headers))[-1]

    assert (request["traceId"], request.get("parentId")) == (trace_id, parent_id)
    assert span_id is None or request["id"] == span_id


@pytest.mark.parametrize(
    ("config", "headers", "spans"),
    [
        ({"sample_ratio": 0}, [], 0),
        ({"sample_ratio": 0}, [W3C], 3),
        ({}, [("traceparent", f"00-{T32}-{SPAN}-00")], 0),
        ({}, [("b3", "0")], 0),
        ({"sample_ratio": 0}, [("b3", "1")], 3),
        ({"sample_ratio": 0}, [("x-b3-flags", "1")], 3),
        ({"sample_ratio": 0}, [("x-b3-traceid", T32), ("x-b3-spanid", SPAN)], 0),
        ({}, [("x-b3-sampled", "junk")], 3),
        ({"http_endpoint": None}, [], 0),
    ],
)
def test_sampling(config: dict[str, Any], headers: list[tuple[str, str]], spans: int) -> None:
    ctx = context(headers)

    assert len(trace(ctx, **config)) == spans
    assert any(ctx.upstream.headers.get(name) for name in ("x-b3-traceid", "traceparent", "b3"))


def test_without_access_there_are_spans_but_no_propagation() -> None:
    ctx = context(route=None, service=None, tries=[])
    proxy, request = trace(ctx, access=False, default_service_name="none")

    assert proxy["tags"] == {}
    assert "remoteEndpoint" not in proxy
    assert "parentId" not in request
    assert ctx.upstream.headers.items() == []


def test_the_trace_id_is_told_to_the_client_and_may_be_short() -> None:
    ctx = context()
    request = trace(ctx, http_response_header_for_traceid="X-Trace", traceid_byte_count=8)[-1]

    assert len(request["traceId"]) == 16
    assert ctx.response.headers.get("X-Trace") == request["traceId"]


@pytest.mark.parametrize(("status", "is_sent"), [(202, True), (500, False)])
def test_reporting(status: int, is_sent: bool) -> None:
    async def scenario() -> tuple[bytes, bytes]:
        host = FakeHost()
        async with HttpSink(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status) as sink:
            handler = make_handler(zipkin, DEFAULTS | {"http_endpoint": sink.url}, make_env(host))
            ctx = context()
            handler.access(ctx)
            ctx.respond()
            handler.log(ctx)
            (queue,) = host.queues.values()
            try:
                if is_sent:
                    await queue.send(queue.entries)
                else:
                    with pytest.raises(ConnectionError, match="answered 500"):
                        await queue.send(queue.entries)
            finally:
                for client in host.resources.values():
                    client.close()
            return (await sink.requests(1))[0]

    head, body = asyncio.run(scenario())
    assert b"\r\ncontent-type: application/json\r\n" in head
    assert len(json.loads(body)) == 3


@pytest.mark.parametrize(
    ("config", "field", "message"),
    [
        ({"http_endpoint": "/x"}, "http_endpoint", "missing host in url"),
        (
            {"static_tags": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]},
            "static_tags",
            "repeated tags are not allowed: a",
        ),
    ],
)
def test_config_errors(config: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_handler(zipkin, DEFAULTS | config)

    assert (caught.value.field, caught.value.message) == (field, message)
