"""statsd, row by row of its page."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from dbless_gateway.plugins import statsd
from tests.support.plugin_context import (
    FakeContext,
    FakeHost,
    make_consumer,
    make_env,
    make_handler,
    make_route,
    make_service,
)
from tests.support.sinks import TcpSink, UdpSink

NODE = socket.gethostname().replace(".", "_")
WORKSPACE = "00000000-0000-0000-0000-000000000000"


def _metric(
    name: str, stat_type: str, sample_rate: float | None = None, **identifiers: str
) -> dict[str, Any]:
    return {"name": name, "stat_type": stat_type, "sample_rate": sample_rate, **identifiers}


ALL = [
    _metric("request_count", "counter", 1),
    _metric("latency", "timer"),
    _metric("request_size", "counter", 1),
    _metric("status_count", "counter", 1),
    _metric("response_size", "counter", 1),
    _metric("unique_users", "set"),
    _metric("request_per_user", "counter", 1),
    _metric("upstream_latency", "timer"),
    _metric("kong_latency", "timer"),
    _metric("status_count_per_user", "counter", 1),
    _metric("status_count_per_workspace", "counter", 1),
    _metric("status_count_per_user_per_route", "counter", 1),
    _metric("shdict_usage", "gauge", 1),
]
DEFAULTS: dict[str, Any] = {
    "host": "localhost",
    "port": 8125,
    "prefix": "kong",
    "metrics": ALL,
    "udp_packet_size": 0,
    "use_tcp": False,
    "hostname_in_prefix": False,
    "consumer_identifier_default": "custom_id",
    "service_identifier_default": "service_name_or_host",
    "workspace_identifier_default": "workspace_id",
    "queue": {"max_batch_size": 1},
}


def _context(**facts: Any) -> FakeContext:
    ctx = FakeContext(
        service=facts.get("service", make_service("s1", name="my.api")),
        route=facts.get("route", make_route("r1", name="users")),
    )
    ctx.consumer = facts.get("consumer", make_consumer("c1", "bob", "custom.1"))
    ctx.respond(facts.get("status", 200))
    return ctx


def lines(ctx: FakeContext | None = None, **config: Any) -> list[str]:
    host = FakeHost()
    make_handler(statsd, DEFAULTS | config, make_env(host)).log(ctx or _context())
    return [line for queue in host.queues.values() for entry in queue.entries for line in entry]


def test_all_metrics() -> None:
    assert lines() == [
        "kong.service.my_api.request.count:1|c",
        "kong.service.my_api.latency:12|ms",
        "kong.service.my_api.request.size:100|c",
        "kong.service.my_api.status.200:1|c",
        "kong.service.my_api.response.size:200|c",
        "kong.service.my_api.user.uniques:custom.1|s",
        "kong.service.my_api.user.custom.1.request.count:1|c",
        "kong.service.my_api.upstream_latency:8|ms",
        "kong.service.my_api.kong_latency:2|ms",
        "kong.service.my_api.user.custom.1.status.200:1|c",
        f"kong.service.my_api.workspace.{WORKSPACE}.status.200:1|c",
        "kong.route.r1.user.custom.1.status.200:1|c",
    ]


def test_without_service_and_consumer() -> None:
    ctx = _context(service=None, route=None, consumer=None, status=404)
    ctx.latency_upstream_ms = -1

    assert lines(ctx) == [
        "kong.global.unmatched.request.count:1|c",
        "kong.global.unmatched.latency:12|ms",
        "kong.global.unmatched.request.size:100|c",
        "kong.global.unmatched.status.404:1|c",
        "kong.global.unmatched.response.size:200|c",
        "kong.global.unmatched.kong_latency:2|ms",
        f"kong.global.unmatched.workspace.{WORKSPACE}.status.404:1|c",
    ]


@pytest.mark.parametrize(
    ("metric", "config", "expected"),
    [
        (_metric("request_count", "counter", 0.5), {}, ["kong.service.my_api.request.count:1|c|@0.5"]),
        (_metric("latency", "gauge", 1), {}, ["kong.service.my_api.latency:12|g"]),
        (_metric("latency", "histogram"), {}, ["kong.service.my_api.latency:12|h"]),
        (_metric("latency", "meter"), {}, ["kong.service.my_api.latency:12|m"]),
        (_metric("latency", "timer", service_identifier="service_id"), {}, ["kong.service.s1.latency:12|ms"]),
        (
            _metric("latency", "timer", service_identifier="service_host"),
            {},
            ["kong.service.target_test.latency:12|ms"],
        ),
        (
            _metric("latency", "timer"),
            {"service_identifier_default": "service_name"},
            ["kong.service.my_api.latency:12|ms"],
        ),
        (
            _metric("unique_users", "set", consumer_identifier="username"),
            {},
            ["kong.service.my_api.user.uniques:bob|s"],
        ),
        (
            _metric("unique_users", "set"),
            {"consumer_identifier_default": "consumer_id"},
            ["kong.service.my_api.user.uniques:c1|s"],
        ),
        (
            _metric("status_count_per_workspace", "counter", 1, workspace_identifier="workspace_name"),
            {},
            ["kong.service.my_api.workspace.default.status.200:1|c"],
        ),
        (_metric("latency", "timer"), {"prefix": "gw"}, ["gw.service.my_api.latency:12|ms"]),
        (
            _metric("latency", "timer"),
            {"hostname_in_prefix": True},
            [f"kong.node.{NODE}.service.my_api.latency:12|ms"],
        ),
        (_metric("latency", "timer"), {"allow_status_codes": ["300-399", "500-599"]}, []),
        (
            _metric("latency", "timer"),
            {"allow_status_codes": ["200-204"]},
            ["kong.service.my_api.latency:12|ms"],
        ),
    ],
)
def test_one_metric(metric: dict[str, Any], config: dict[str, Any], expected: list[str]) -> None:
    assert lines(metrics=[metric], **config) == expected


def test_a_service_without_name_and_a_consumer_without_custom_id() -> None:
    ctx = _context(service=make_service("s1", name=None), consumer=make_consumer("c1", "bob"))

    assert lines(ctx, metrics=[_metric("latency", "timer"), _metric("unique_users", "set")]) == [
        "kong.service.target_test.latency:12|ms"
    ]
    assert lines(ctx, metrics=[_metric("latency", "timer", service_identifier="service_name")]) == [
        "kong.service.unnamed.latency:12|ms"
    ]


TAGS = {
    "service": "my_api",
    "route": "users",
    "workspace": WORKSPACE,
    "consumer": "custom.1",
    "node": NODE,
    "status": "200",
}
COLON = ",".join(f"{name}:{value}" for name, value in TAGS.items())
EQUAL = ",".join(f"{name}={value}" for name, value in TAGS.items())


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("dogstatsd", f"kong.request.count:1|c|@0.5|#{COLON}"),
        ("influxdb", f"kong.request.count,{EQUAL}:1|c|@0.5"),
        ("librato", f"kong.request.count#{EQUAL}:1|c|@0.5"),
        ("signalfx", f"kong.request.count[{EQUAL}]:1|c|@0.5"),
    ],
)
def test_tags(style: str, expected: str) -> None:
    metrics = [*(metric for metric in ALL if metric["name"] != "request_count")]

    assert lines(tag_style=style, metrics=[_metric("request_count", "counter", 0.5)]) == [expected]
    assert len(lines(tag_style=style, metrics=metrics)) == 5


def test_tags_without_service_and_route_name() -> None:
    metrics = [_metric("latency", "timer")]
    ctx = _context(route=make_route("r1", name=None), consumer=None)

    assert lines(_context(service=None), tag_style="dogstatsd", metrics=metrics) == ["kong.latency:12|ms"]
    assert "route:r1,workspace" in lines(ctx, tag_style="dogstatsd", metrics=metrics)[0]


@pytest.mark.parametrize(
    ("size", "packets"),
    [
        (0, [b"kong.service.my_api.latency:12|ms", b"kong.service.my_api.kong_latency:2|ms"]),
        (100, [b"kong.service.my_api.latency:12|ms\nkong.service.my_api.kong_latency:2|ms"]),
        (40, [b"kong.service.my_api.latency:12|ms", b"kong.service.my_api.kong_latency:2|ms"]),
        (10, [b"kong.service.my_api.latency:12|ms", b"kong.service.my_api.kong_latency:2|ms"]),
    ],
)
def test_udp(size: int, packets: list[bytes]) -> None:
    async def scenario() -> list[bytes]:
        host = FakeHost()
        async with UdpSink() as sink:
            metrics = [_metric("latency", "timer"), _metric("kong_latency", "timer")]
            config = {"host": "127.0.0.1", "port": sink.port, "metrics": metrics, "udp_packet_size": size}
            make_handler(statsd, DEFAULTS | config, make_env(host)).log(_context())
            (queue,) = host.queues.values()
            await queue.send(queue.entries)
            received = await sink.datagrams(len(packets))
            for sender in host.resources.values():
                sender.close()
            return received

    assert asyncio.run(scenario()) == packets


def test_a_metric_larger_than_a_packet_is_sent_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        host = FakeHost()
        async with UdpSink() as sink:
            config = {"host": "127.0.0.1", "port": sink.port, "metrics": ALL[:2], "udp_packet_size": 35}
            make_handler(statsd, DEFAULTS | config, make_env(host)).log(_context())
            (queue,) = host.queues.values()
            await queue.send(queue.entries)
            assert len(await sink.datagrams(2)) == 2
            for sender in host.resources.values():
                sender.close()

    asyncio.run(scenario())
    (record,) = caplog.records
    assert record.getMessage() == "statsd: 1 metrics are larger than udp_packet_size and sent alone"


def test_tcp() -> None:
    async def scenario() -> list[bytes]:
        host = FakeHost()
        async with TcpSink() as sink:
            config = {"host": "127.0.0.1", "port": sink.port, "use_tcp": True, "metrics": ALL[:2]}
            make_handler(statsd, DEFAULTS | config, make_env(host)).log(_context())
            (queue,) = host.queues.values()
            await queue.send(queue.entries)
            received = await sink.lines(2)
            for sender in host.resources.values():
                sender.close()
            return received

    assert asyncio.run(scenario()) == [
        b"kong.service.my_api.request.count:1|c\n",
        b"kong.service.my_api.latency:12|ms\n",
    ]


@pytest.mark.parametrize("username", ["a.b@c.test", "bob"])
def test_consumers_keep_their_dots_as_in_kong(username: str) -> None:
    metrics = [_metric("request_per_user", "counter", 1, consumer_identifier="username")]
    ctx = _context(consumer=make_consumer("c1", username))

    assert lines(ctx, metrics=metrics) == [f"kong.service.my_api.user.{username}.request.count:1|c"]


def test_a_consumer_on_a_route_without_service() -> None:
    metrics = [
        _metric("request_per_user", "counter", 1),
        _metric("status_count_per_user", "counter", 1),
        _metric("status_count_per_user_per_route", "counter", 1),
    ]

    assert lines(_context(service=None), metrics=metrics) == [
        "kong.global.unmatched.user.custom.1.request.count:1|c",
        "kong.global.unmatched.user.custom.1.status.200:1|c",
        "kong.route.r1.user.custom.1.status.200:1|c",
    ]


def test_the_name_of_the_node_is_no_prefix_of_tagged_metrics() -> None:
    config: dict[str, Any] = {
        "hostname_in_prefix": True,
        "tag_style": "dogstatsd",
        "metrics": [_metric("latency", "timer")],
    }

    assert lines(**config)[0].startswith("kong.latency:12|ms|#service:my_api,")


def test_nothing_to_send_is_not_queued() -> None:
    assert lines(metrics=[]) == []
