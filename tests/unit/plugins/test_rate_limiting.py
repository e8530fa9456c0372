"""rate-limiting with the local policy, row by row of its page."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import rate_limiting
from tests.support.plugin_context import (
    FakeContext,
    FakeHost,
    make_consumer,
    make_credential,
    make_env,
    make_handler,
    make_service,
)

DEFAULTS: dict[str, Any] = {
    "limit_by": "consumer",
    "policy": "local",
    "fault_tolerant": True,
    "redis": {},
    "hide_client_headers": False,
    "error_code": 429,
    "error_message": "API rate limit exceeded",
    "sync_rate": -1,
}


def make(config: dict[str, Any], host: FakeHost | None = None, **scope: str) -> Any:
    return make_handler(rate_limiting, DEFAULTS | config, make_env(host or FakeHost(), **scope))  # type: ignore[arg-type]


def test_counts_down_and_refuses() -> None:
    handler = make({"minute": 2})
    seen = []
    for _ in range(4):
        ctx = FakeContext()
        reply = handler.access(ctx)
        seen.append((reply and reply.status, ctx.response_headers["RateLimit-Remaining"]))

    assert seen == [(None, "1"), (None, "0"), (429, "0"), (429, "0")]


def test_all_headers_of_an_allowed_request() -> None:
    ctx = FakeContext()
    make({"minute": 5, "hour": 5, "day": 100}).access(ctx)

    assert ctx.response_headers == {
        "X-RateLimit-Limit-Minute": "5",
        "X-RateLimit-Remaining-Minute": "4",
        "X-RateLimit-Limit-Hour": "5",
        "X-RateLimit-Remaining-Hour": "4",
        "X-RateLimit-Limit-Day": "100",
        "X-RateLimit-Remaining-Day": "99",
        "RateLimit-Limit": "5",
        "RateLimit-Remaining": "4",
        # 22:13:20.25 UTC; of equals the longer window wins: 3600 - 800.
        "RateLimit-Reset": "2800",
    }


def test_the_refusal() -> None:
    handler = make({"minute": 1, "hour": 10})
    handler.access(FakeContext())
    ctx = FakeContext()
    reply = handler.access(ctx)

    assert reply.status == 429
    assert b'"message":"API rate limit exceeded"' in reply.body
    assert dict(reply.headers)["Retry-After"] == "40"
    assert ctx.response_headers == {
        "X-RateLimit-Limit-Minute": "1",
        "X-RateLimit-Remaining-Minute": "0",
        "X-RateLimit-Limit-Hour": "10",
        "X-RateLimit-Remaining-Hour": "9",
        "RateLimit-Limit": "1",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "40",
    }


def test_a_refused_request_counts_nowhere() -> None:
    """The hour is full; the minute, which is checked first, must not have counted."""
    host = FakeHost()
    handler = make({"minute": 2, "hour": 2}, host)
    for _ in range(2):
        handler.access(FakeContext())
    host.clock += 60
    refused = FakeContext()
    assert handler.access(refused).status == 429
    assert refused.response_headers["X-RateLimit-Remaining-Minute"] == "2"
    assert refused.response_headers["X-RateLimit-Remaining-Hour"] == "0"

    host.clock += 3600
    fresh = FakeContext()
    assert handler.access(fresh) is None
    assert fresh.response_headers["X-RateLimit-Remaining-Minute"] == "1"


def test_a_new_window_is_fresh_and_a_clock_that_goes_back_finds_its_window() -> None:
    host = FakeHost()
    handler = make({"second": 1}, host)
    assert handler.access(FakeContext()) is None
    host.clock += 1
    assert handler.access(FakeContext()) is None
    host.clock -= 1
    assert handler.access(FakeContext()).status == 429


def test_counters_outlive_the_handler() -> None:
    host = FakeHost()
    make({"minute": 1}, host).access(FakeContext())

    assert make({"minute": 1}, host).access(FakeContext()).status == 429


def test_hidden_headers() -> None:
    handler = make({"minute": 1, "hide_client_headers": True})
    allowed, refused = FakeContext(), FakeContext()
    handler.access(allowed)
    reply = handler.access(refused)

    assert (allowed.response_headers, refused.response_headers) == ({}, {})
    assert [name for name, _ in reply.headers] == ["Content-Type"]


@pytest.mark.parametrize(
    ("code", "message", "status", "text"),
    [
        (403, "slow down", 403, b"slow down"),
        (429, None, 429, b"Too many requests"),
        (200, "fine", 500, b"An unexpected error occurred"),
    ],
)
def test_error_code_and_message(code: int, message: str | None, status: int, text: bytes) -> None:
    handler = make({"minute": 1, "error_code": code, "error_message": message})
    handler.access(FakeContext())
    reply = handler.access(FakeContext())

    assert reply.status == status
    assert b'"message":"%s"' % text in reply.body


def test_grpc() -> None:
    handler = make({"minute": 1})
    grpc = [("content-type", "application/grpc")]
    handler.access(FakeContext(headers=grpc))
    reply = handler.access(FakeContext(headers=grpc))

    assert dict(reply.headers)["grpc-status"] == "8"
    assert dict(reply.headers)["grpc-message"] == "ResourceExhausted"


def test_fractional_limits() -> None:
    handler = make({"minute": 1.5})
    contexts = [FakeContext() for _ in range(3)]
    replies = [handler.access(ctx) for ctx in contexts]

    assert [reply is None for reply in replies] == [True, True, False]
    assert [ctx.response_headers["RateLimit-Remaining"] for ctx in contexts] == ["0.5", "0", "0"]
    assert contexts[0].response_headers["RateLimit-Limit"] == "1.5"


ALICE = make_consumer("alice", "alice")
BOB = make_consumer("bob", "bob")
KEY_1 = make_credential("key-1", "keyauth_credentials", "alice")
KEY_2 = make_credential("key-2", "keyauth_credentials", "alice")


def _caller(**facts: Any) -> FakeContext:
    ctx = FakeContext(
        target=facts.get("target", "/"),
        headers=facts.get("headers", ()),
        client_ip=facts.get("ip", "10.0.0.1"),
        service=make_service(facts["service"]) if "service" in facts else None,
    )
    ctx.consumer, ctx.credential = facts.get("consumer"), facts.get("credential")
    return ctx


@pytest.mark.parametrize(
    ("config", "first", "second", "is_same"),
    [
        ({}, {"consumer": ALICE, "ip": "1"}, {"consumer": ALICE, "ip": "2"}, True),
        ({}, {"consumer": ALICE}, {"consumer": BOB}, False),
        ({}, {"credential": KEY_1, "ip": "1"}, {"credential": KEY_1, "ip": "2"}, True),
        ({}, {"ip": "1"}, {"ip": "2"}, False),
        ({}, {"ip": "1"}, {"ip": "1"}, True),
        ({"limit_by": "credential"}, {"credential": KEY_1}, {"credential": KEY_2}, False),
        ({"limit_by": "credential"}, {"ip": "1", "consumer": ALICE}, {"ip": "2", "consumer": ALICE}, False),
        ({"limit_by": "ip"}, {"ip": "1", "consumer": ALICE}, {"ip": "1", "consumer": BOB}, True),
        ({"limit_by": "service"}, {"service": "s", "ip": "1"}, {"service": "s", "ip": "2"}, True),
        ({"limit_by": "service"}, {"service": "s"}, {"service": "t"}, False),
        ({"limit_by": "service"}, {"ip": "1"}, {"ip": "2"}, False),
        (
            {"limit_by": "header", "header_name": "X-App"},
            {"headers": [("x-app", "1")], "ip": "1"},
            {"headers": [("X_App", "1")], "ip": "2"},
            True,
        ),
        ({"limit_by": "header", "header_name": "X-App"}, {"ip": "1"}, {"ip": "2"}, False),
        ({"limit_by": "path", "path": "/a"}, {"target": "/a", "ip": "1"}, {"target": "/a", "ip": "2"}, True),
        (
            {"limit_by": "path", "path": "/a"},
            {"target": "/a/", "ip": "1"},
            {"target": "/a/", "ip": "2"},
            False,
        ),
    ],
)
def test_who_is_counted_together(
    config: dict[str, Any], first: dict[str, Any], second: dict[str, Any], is_same: bool
) -> None:
    handler = make({"year": 1} | config)

    assert handler.access(_caller(**first)) is None
    assert (handler.access(_caller(**second)) is not None) is is_same


def test_instances_of_different_scopes_count_apart() -> None:
    host = FakeHost()
    everywhere = make({"minute": 1}, host)
    on_route = make({"minute": 1}, host, route_id="route-1")
    on_service = make({"minute": 1}, host, service_id="service-1")
    for_consumer = make({"minute": 1}, host, consumer_id="alice")

    assert [handler.access(FakeContext()) is None for handler in (everywhere, on_route, on_service)] == [
        True
    ] * 3
    assert for_consumer.access(FakeContext()) is not None


@pytest.mark.parametrize(
    ("config", "field", "message"),
    [
        (
            {"minute": 20, "hour": 10},
            "",
            "The limit for hour(10.0) cannot be lower than the limit for minute(20.0)",
        ),
        (
            {"second": 5, "minute": 10, "year": 3},
            "",
            "The limit for year(3.0) cannot be lower than the limit for second(5.0)",
        ),
        ({"minute": 1, "policy": "cluster"}, "policy", "expected one of: local, redis"),
        ({"minute": 1, "sync_rate": 1}, "", "sync_rate can only be used with the redis policy"),
        (
            {
                "minute": 1,
                "policy": "redis",
                "redis": {"host": "r", "port": 1, "timeout": 1},
                "sync_rate": 0.01,
            },
            "",
            "sync_rate must be greater than 0.02, or -1 to disable",
        ),
    ],
)
def test_config_errors(config: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(config)

    assert (caught.value.field, caught.value.message) == (field, message)
