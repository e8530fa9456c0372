"""What plugins see of an exchange (``pdk.context.Context``), from the exchange itself."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from dbless_gateway.pdk.context import Context
from dbless_gateway.proxy.exchange import Exchange
from dbless_gateway.proxy.options import ProxyOptions
from tests.support.client import request_bytes
from tests.support.exchange_script import CLIENT_IP, LISTENER, ROUTE_ID, SERVICE_ID
from tests.support.plugin_context import make_consumer, make_credential
from tests.unit.proxy.conftest import MakeStage


def test_an_exchange_has_all_that_a_context_has() -> None:
    """mypy cannot tell: the protocol declares some members as variables that are properties here."""
    members = {name for name in (*vars(Context), *Context.__annotations__) if not name.startswith("_")}
    assert {name for name in members if not hasattr(Exchange, name)} == set()


class Looking:
    """A plugin that looks at one thing in one phase."""

    def __init__(self, phase: str, look: Callable[[Any], Any]) -> None:
        self.seen: list[Any] = []
        setattr(self, phase, lambda ctx: self.seen.append(look(ctx)))


RAW = request_bytes(
    "POST",
    "/p/%61%2Fb//c/../d?x=1&y=%20z&x&e=",
    [("X-A", "1"), ("x_a", "2"), ("Cookie", "a=1; b=2"), ("Cookie", "c=3")],
    b"body",
    host="GateWay.Test:81",
)


def look(make_stage: MakeStage, view: Callable[[Any], Any], phase: str = "access", **stage: Any) -> Any:
    """Return what a plugin sees of ``RAW``, answered by a target with 201 and "answer"."""
    plugin = Looking(phase, view)
    made = make_stage(plugins=[plugin], **stage)
    client = made.connect()
    client.send(RAW)
    target = made.accept()
    target.read_request()
    target.answer(b"answer", "201 Created")
    client.read_response()
    assert len(plugin.seen) == 1
    return plugin.seen[0]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (lambda ctx: ctx.method, "POST"),
        (lambda ctx: ctx.scheme, "http"),
        (lambda ctx: ctx.host, "gateway.test"),
        (lambda ctx: ctx.port, 8000),
        (lambda ctx: ctx.path, "/p/a%2Fb/d"),
        (lambda ctx: ctx.raw_path, "/p/%61%2Fb//c/../d"),
        (lambda ctx: ctx.raw_query, "x=1&y=%20z&x&e="),
        (lambda ctx: ctx.query_args(), {"x": ["1", True], "y": [" z"], "e": [""]}),
        (lambda ctx: ctx.query_values("x"), ["1", True]),
        (lambda ctx: ctx.http_version, "1.1"),
        (lambda ctx: ctx.client_ip, CLIENT_IP),
        (lambda ctx: ctx.peer_ip, CLIENT_IP),
        (lambda ctx: ctx.server_ip, LISTENER[0]),
        (lambda ctx: ctx.connection_serial, 1),
        (lambda ctx: ctx.connection_requests, 1),
        (lambda ctx: ctx.tls, None),
        (lambda ctx: ctx.headers.get("x-a"), "1"),
        (lambda ctx: ctx.headers.get_all("X_A"), ["1", "2"]),
        (lambda ctx: ctx.headers.get("none"), None),
        (lambda ctx: ctx.headers.items()[0], ("Host", "GateWay.Test:81")),
        (lambda ctx: [ctx.cookie(name) for name in "abcd"], ["1", "2", "3", None]),
        (lambda ctx: ctx.request_body, b"body"),
        (lambda ctx: ctx.route.id, ROUTE_ID),
        (lambda ctx: ctx.service.id, SERVICE_ID),
        (lambda ctx: (ctx.consumer, ctx.credential), (None, None)),
        (lambda ctx: ctx.upstream.path, "/a%2Fb/d"),
        (lambda ctx: ctx.upstream.query, "x=1&y=%20z&x&e="),
        (lambda ctx: ctx.upstream.method, "POST"),
        (lambda ctx: ctx.upstream.host, None),
        (lambda ctx: ctx.upstream.headers.get("Host"), None),
        (lambda ctx: ctx.upstream.headers.get_all("x-a"), ["1", "2"]),
        (lambda ctx: len(ctx.request_id), 32),
        (lambda ctx: ctx.forwarded_scheme, "http"),
        (lambda ctx: ctx.forwarded_host, "gateway.test"),
        (lambda ctx: ctx.forwarded_port, 8000),
        (lambda ctx: ctx.latency_upstream_ms, -1),
    ],
)
def test_in_access(make_stage: MakeStage, view: Callable[[Any], Any], expected: object) -> None:
    class NeedsBody(Looking):
        needs_request_body = True

    plugin = NeedsBody("access", view)
    stage = make_stage(plugins=[plugin], route={"paths": ("/p",), "strip_path": True})
    stage.connect().send(RAW)
    assert plugin.seen == [expected]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (lambda ctx: ctx.source, "upstream"),
        (lambda ctx: ctx.upstream_status, 201),
        (lambda ctx: ctx.status, 201),
        (lambda ctx: ctx.response.status, 201),
        (lambda ctx: ctx.upstream_uri, "/p/a%2Fb/d?x=1&y=%20z&x&e="),
        (lambda ctx: ctx.request_size, len(RAW)),
        (lambda ctx: ctx.response_size > len(b"answer"), True),
        (lambda ctx: ctx.latency_total_ms >= ctx.latency_kong_ms >= 0, True),
        (lambda ctx: ctx.latency_upstream_ms >= 0 <= ctx.latency_receive_ms, True),
        (lambda ctx: [(a["ip"], a["port"], a.get("state")) for a in ctx.tries], [("10.1.1.1", 80, None)]),
    ],
)
def test_in_log(make_stage: MakeStage, view: Callable[[Any], Any], expected: object) -> None:
    assert look(make_stage, view, "log", route={"strip_path": False}) == expected


def test_failed_tries_are_logged(make_stage: MakeStage) -> None:
    plugin = Looking("log", lambda ctx: [(a.get("state"), a.get("code")) for a in ctx.tries])
    stage = make_stage(plugins=[plugin], service={"retries": 1})
    client = stage.connect()
    client.send(request_bytes())
    stage.refuse()
    stage.refuse()
    assert plugin.seen == [[("failed", 502), ("failed", 502)]]


def test_trusted_peers_word_is_taken(make_stage: MakeStage) -> None:
    plugin = Looking(
        "access",
        lambda ctx: (
            ctx.forwarded_scheme,
            ctx.forwarded_host,
            ctx.forwarded_port,
            ctx.client_ip,
            ctx.peer_ip,
        ),
    )
    stage = make_stage(plugins=[plugin], options=ProxyOptions(trusted_ips=(ip_network("0.0.0.0/0"),)))
    headers = [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "Public.Test"),
        ("X-Forwarded-Port", "443"),
        ("X-Real-IP", "9.9.9.9"),
    ]
    stage.connect().send(request_bytes(headers=headers))
    assert plugin.seen == [("https", "public.test", 443, "9.9.9.9", CLIENT_IP)]


def test_captures(make_stage: MakeStage) -> None:
    plugin = Looking("access", lambda ctx: [ctx.capture(name) for name in ("id", "1", "2", "9", "none")])
    stage = make_stage(plugins=[plugin], route={"paths": (r"~/u/(?<id>\d+)/(\w+)",)})
    stage.connect().send(request_bytes(target="/u/42/edit"))
    assert plugin.seen == [["42", "42", "edit", None, None]]


def test_authenticated_consumer_is_seen_later(make_stage: MakeStage) -> None:
    class Authenticating:
        def access(self, ctx: Any) -> None:
            ctx.authenticate(make_consumer("c1", "alice"), make_credential("k1", "keyauth_credentials", "c1"))
            ctx.shared["note"] = "hello"

    later = Looking(
        "log", lambda ctx: (ctx.consumer.username, ctx.credential.id, ctx.consumer_id(), ctx.shared["note"])
    )
    stage = make_stage(plugins=[Authenticating(), later])
    stage.connect().send(request_bytes())
    stage.accept().answer()
    assert later.seen == [("alice", "k1", "c1", "hello")]


@pytest.mark.parametrize("looks_first", [False, True])
def test_later_plugins_may_change_what_the_target_learns_about_the_client(
    make_stage: MakeStage, looks_first: bool
) -> None:
    class Authenticating:
        def access(self, ctx: Any) -> None:
            if looks_first:
                ctx.upstream.headers.set("X-Consumer-Username", "forged")
            credential = make_credential("k1", "basicauth_credentials", "c1", username="al")
            ctx.authenticate(make_consumer("c1", "alice"), credential)

    class Changing:
        def access(self, ctx: Any) -> None:
            headers = ctx.upstream.headers
            headers.set("X-Who", headers.get("x-consumer-username"))
            headers.remove("X-Consumer-ID")

    stage = make_stage(plugins=[Authenticating(), Changing()])
    stage.connect().send(
        request_bytes(headers=[("X-Consumer-ID", "forged"), ("X-Anonymous-Consumer", "true")])
    )
    text = stage.accept().read_request().raw

    assert b"X-Who: alice\r\n" in text
    assert b"X-Credential-Identifier: al\r\n" in text
    assert text.count(b"X-Consumer-Username") == 1
    assert b"X-Consumer-ID" not in text
    assert b"X-Anonymous" not in text
    assert b"forged" not in text


def test_there_is_no_response_before_its_time(make_stage: MakeStage) -> None:
    stage = make_stage(plugins=[Looking("access", lambda ctx: ctx.response)])
    client = stage.connect()
    client.send(request_bytes())
    assert client.read_response().status == 500
    stage.bugs.clear()


def test_body_that_was_not_asked_for_is_not_shown_in_part(make_stage: MakeStage) -> None:
    plugin = Looking("access", lambda ctx: ctx.request_body)
    stage = make_stage(plugins=[plugin])
    stage.connect().send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
    assert plugin.seen == [None]
