"""response-ratelimiting with the local policy, row by row of its page."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import response_ratelimiting
from tests.support.plugin_context import (
    FakeContext,
    FakeHost,
    make_consumer,
    make_credential,
    make_env,
    make_handler,
)

DEFAULTS: dict[str, Any] = {
    "header_name": "x-kong-limit",
    "limit_by": "consumer",
    "policy": "local",
    "fault_tolerant": True,
    "redis": {},
    "block_on_first_violation": False,
    "hide_client_headers": False,
    "limits": {"video": {"minute": 2}},
}


class Gateway:
    """The plugin with a target that tells what its answers cost."""

    def __init__(self, **config: Any) -> None:
        self.host = FakeHost()
        self.handler = make_handler(response_ratelimiting, DEFAULTS | config, make_env(self.host))

    def ask(
        self, cost: str | None = "video=1", ctx: FakeContext | None = None
    ) -> tuple[int, bytes, FakeContext]:
        ctx = ctx or FakeContext()
        reply = self.handler.access(ctx)
        if reply is not None:
            response = ctx.respond_with(reply)
            self.handler.header_filter(ctx)
            return response.status, reply.body, ctx
        lines = [("Content-Type", "text/plain"), ("Content-Length", "4")]
        response = ctx.respond(200, [*lines, *([("X-Kong-Limit", cost)] if cost is not None else [])])
        self.handler.header_filter(ctx)
        body = self.handler.body_filter(ctx, b"body", True)
        self.handler.log(ctx)
        return response.status, b"body" if body is None else body, ctx


def test_the_limit_holds_from_the_request_after_the_last() -> None:
    gateway = Gateway()
    seen = [gateway.ask()[:2] for _ in range(4)]

    assert seen == [(200, b"body"), (200, b"body"), (429, b""), (429, b"")]


def test_headers() -> None:
    gateway = Gateway(limits={"video": {"minute": 5, "hour": 10}, "image": {"day": 3}})
    gateway.ask("video=3")
    _, _, ctx = gateway.ask("image=1, video=1, unknown=9, video=x, junk")

    assert dict(ctx.response.headers.items()) == {
        "Content-Type": "text/plain",
        "Content-Length": "4",
        "X-RateLimit-Limit-video-minute": "5",
        "X-RateLimit-Remaining-video-minute": "1",
        "X-RateLimit-Limit-video-hour": "10",
        "X-RateLimit-Remaining-video-hour": "6",
        "X-RateLimit-Limit-image-day": "3",
        "X-RateLimit-Remaining-image-day": "2",
    }
    assert dict(ctx.upstream.headers.items()) == {
        "X-RateLimit-Remaining-video": "2",
        "X-RateLimit-Remaining-image": "3",
    }


def test_hidden_headers() -> None:
    _, _, ctx = Gateway(hide_client_headers=True).ask()

    assert [name for name, _ in ctx.response.headers.items()] == ["Content-Type", "Content-Length"]


@pytest.mark.parametrize(
    "cost", [None, "", "video=0", "video", "video=-1", "video=1.5", "video=" + "9" * 100]
)
def test_a_response_without_cost_is_free(cost: str | None) -> None:
    gateway = Gateway()
    for _ in range(5):
        assert gateway.ask(cost)[0] == 200
    _, _, ctx = gateway.ask(None)

    assert ctx.response.headers.get("X-RateLimit-Remaining-video-minute") == "2"


def test_a_replaced_response_counts_nothing() -> None:
    gateway = Gateway(limits={"video": {"minute": 1}, "image": {"minute": 5}})
    gateway.ask("video=1")
    assert gateway.ask("video=1,image=1")[0] == 429
    _, _, ctx = gateway.ask(None)

    assert ctx.response.headers.get("X-RateLimit-Remaining-image-minute") == "5"


def test_only_the_first_header_line_counts() -> None:
    gateway = Gateway()
    ctx = FakeContext()
    gateway.handler.access(ctx)
    ctx.respond(200, [("X-Kong-Limit", "video=1"), ("X-Kong-Limit", "video=1")])
    gateway.handler.header_filter(ctx)

    assert ctx.response.headers.get("X-RateLimit-Remaining-video-minute") == "1"
    assert ctx.response.headers.get("X-Kong-Limit") is None


def test_block_on_first_violation() -> None:
    gateway = Gateway(block_on_first_violation=True)
    gateway.ask("video=2")
    status, body, _ = gateway.ask()

    assert status == 429
    assert b"API rate limit exceeded for 'video'" in body


def test_another_header_and_a_new_window() -> None:
    gateway = Gateway(header_name="X-Cost")
    ctx = FakeContext()
    gateway.handler.access(ctx)
    ctx.respond(200, [("x-cost", "video=2")])
    gateway.handler.header_filter(ctx)
    gateway.handler.log(ctx)
    assert gateway.ask()[2].response.headers.get("X-RateLimit-Remaining-video-minute") == "0"

    gateway.host.clock += 60
    assert gateway.ask()[2].response.headers.get("X-RateLimit-Remaining-video-minute") == "2"


KEY = make_credential("k", "keyauth_credentials", "c")


@pytest.mark.parametrize(
    ("limit_by", "facts", "is_same"),
    [
        ("consumer", {"consumer": make_consumer("c")}, True),
        ("consumer", {"credential": KEY}, True),
        ("consumer", {}, False),
        ("credential", {"credential": KEY}, True),
        ("credential", {"consumer": make_consumer("c")}, False),
        ("ip", {"consumer": make_consumer("c")}, False),
    ],
)
def test_who_is_counted_together(limit_by: str, facts: dict[str, Any], is_same: bool) -> None:
    gateway = Gateway(limit_by=limit_by)
    left = []
    for address in ("10.0.0.1", "10.0.0.2"):
        ctx = FakeContext(client_ip=address)
        ctx.consumer, ctx.credential = facts.get("consumer"), facts.get("credential")
        left.append(gateway.ask(ctx=ctx)[2].response.headers.get("X-RateLimit-Remaining-video-minute"))

    assert left == ["1", "0" if is_same else "1"]


def test_without_access_nothing_happens() -> None:
    handler = Gateway().handler
    ctx = FakeContext()
    ctx.respond(404)
    handler.header_filter(ctx)
    handler.log(ctx)

    assert handler.body_filter(ctx, b"x", True) is None
    assert ctx.response.headers.items() == []


@pytest.mark.parametrize(
    ("config", "field", "message"),
    [
        (
            {"limits": {"video": {"second": 30, "minute": 20}}},
            "limits",
            "the limit for minute(20.0) cannot be lower than the limit for second(30.0)",
        ),
        ({"policy": "cluster"}, "policy", "expected one of: local, redis"),
    ],
)
def test_config_errors(config: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Gateway(**config)

    assert (caught.value.field, caught.value.message) == (field, message)
