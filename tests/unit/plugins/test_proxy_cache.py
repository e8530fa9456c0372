"""proxy-cache, row by row of its page."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from dbless_gateway.pdk.cache_keys import storage_key
from dbless_gateway.pdk.cached_response import encode_entry
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.plugins import proxy_cache
from dbless_gateway.plugins.proxy_cache import describe_stored
from tests.support.plugin_context import (
    START,
    FakeContext,
    FakeHost,
    make_consumer,
    make_env,
    make_handler,
    make_route,
)

JSON = "application/json; charset=utf-8"
DEFAULTS: dict[str, Any] = {
    "response_code": [200, 301, 404],
    "request_method": ["GET", "HEAD"],
    "content_type": ["text/plain", JSON],
    "cache_ttl": 30,
    "strategy": "memory",
    "cache_control": False,
    "ignore_uri_case": False,
    "storage_ttl": None,
    "memory": {"dictionary_name": "kong_db_cache"},
    "vary_query_params": None,
    "vary_headers": None,
    "response_headers": {"age": True, "X-Cache-Status": True, "X-Cache-Key": True},
}


class Gateway:
    """The plugin with a target behind it, phase by phase as the gateway runs them."""

    def __init__(self, **config: Any) -> None:
        self.host = FakeHost()
        self.handler = make_handler(proxy_cache, DEFAULTS | config, make_env(self.host))
        self.answer: tuple[int, list[tuple[str, str]], list[bytes]] = (
            200,
            [("Content-Type", JSON), ("X-Made", "by target")],
            [b'{"n":', b"1}"],
        )

    def ask(self, ctx: FakeContext | None = None) -> tuple[str | None, FakeContext, Reply | None]:
        """Return X-Cache-Status, the exchange and the plugin's own reply."""
        ctx = ctx or FakeContext()
        reply: Reply | None = self.handler.access(ctx)
        if reply is not None:
            response = ctx.respond_with(reply)
            self.handler.header_filter(ctx)
        else:
            status, headers, chunks = self.answer
            response = ctx.respond(status, headers)
            self.handler.header_filter(ctx)
            for chunk in [*chunks, b""]:
                assert self.handler.body_filter(ctx, chunk, chunk == b"") is None
        return response.headers.get("X-Cache-Status"), ctx, reply

    def statuses(self, *contexts: FakeContext) -> list[str | None]:
        return [self.ask(ctx)[0] for ctx in contexts]


def test_the_second_answer_comes_from_the_cache() -> None:
    gateway = Gateway()
    status, first, _ = gateway.ask()
    assert status == "Miss"
    gateway.host.clock += 10.9

    status, second, reply = gateway.ask()

    assert status == "Hit"
    assert reply == Reply(200, b'{"n":1}', (("Content-Type", JSON), ("X-Made", "by target")), proxied=True)
    assert second.shared["proxy_cache_hit"] is True
    assert second.response.headers.get("age") == "10"
    key = second.response.headers.get("X-Cache-Key")
    assert key == first.response.headers.get("X-Cache-Key")
    assert key == sha256(b"default|GET|GET / HTTP/1.1||").hexdigest()


@pytest.mark.parametrize(("storage_ttl", "status"), [(None, "Miss"), (60, "Refresh")])
def test_it_ends_after_its_time(storage_ttl: int | None, status: str) -> None:
    gateway = Gateway(storage_ttl=storage_ttl)
    gateway.ask()
    gateway.host.clock += 31

    assert gateway.statuses(FakeContext(), FakeContext()) == [status, "Hit"]


@pytest.mark.parametrize(
    ("config", "first", "second", "expected"),
    [
        ({}, FakeContext("POST"), FakeContext("POST"), ["Bypass", "Bypass"]),
        ({"request_method": ["POST"]}, FakeContext("POST"), FakeContext("POST"), ["Miss", "Hit"]),
        ({}, FakeContext("GET"), FakeContext("HEAD"), ["Miss", "Miss"]),
        ({}, FakeContext(target="/a?x=1&y=2"), FakeContext(target="/a?y=2&x=1"), ["Miss", "Hit"]),
        ({}, FakeContext(target="/a?x=1"), FakeContext(target="/a?x=2"), ["Miss", "Miss"]),
        ({}, FakeContext(target="/a"), FakeContext(target="/A"), ["Miss", "Miss"]),
        ({"ignore_uri_case": True}, FakeContext(target="/a"), FakeContext(target="/A"), ["Miss", "Hit"]),
        (
            {"vary_query_params": ["v"]},
            FakeContext(target="/?v=1&x=1"),
            FakeContext(target="/?x=2&v=1"),
            ["Miss", "Hit"],
        ),
        (
            {"vary_query_params": ["v"]},
            FakeContext(target="/?v=1"),
            FakeContext(target="/?v=2"),
            ["Miss", "Miss"],
        ),
        (
            {"vary_headers": ["X-Lang"]},
            FakeContext(headers=[("X-Lang", "en")]),
            FakeContext(headers=[("x-lang", "de")]),
            ["Miss", "Miss"],
        ),
        (
            {},
            FakeContext(headers=[("X-Lang", "en"), ("Authorization", "a")]),
            FakeContext(headers=[("X-Lang", "de")]),
            ["Miss", "Hit"],
        ),
        ({}, FakeContext(headers=[("Cache-Control", "no-store")]), FakeContext(), ["Miss", "Hit"]),
        (
            {"cache_control": True, "cache_ttl": 1},
            FakeContext(headers=[("Cache-Control", "no-store")]),
            FakeContext(headers=[("Cache-Control", "No-Cache")]),
            ["Bypass", "Bypass"],
        ),
    ],
)
def test_which_requests_share_an_answer(
    config: dict[str, Any], first: FakeContext, second: FakeContext, expected: list[str]
) -> None:
    assert Gateway(**config).statuses(first, second) == expected


def test_routes_and_consumers_have_their_own_entries() -> None:
    alice = make_consumer("alice")

    def caller(route_id: str | None, consumer: Any) -> FakeContext:
        ctx = FakeContext(route=make_route(route_id) if route_id else None)
        ctx.consumer = consumer
        return ctx

    callers = [("r1", None), ("r1", alice), ("r2", alice), (None, None), (None, alice), ("r1", alice)]
    assert Gateway().statuses(*(caller(*who) for who in callers)) == [
        "Miss",
        "Miss",
        "Miss",
        "Miss",
        "Hit",
        "Hit",
    ]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("/p", "default|GET|GET /p HTTP/1.1||"),
        ("/p?", "default|GET|GET /p||"),
        ("/p?b=2&a=1&b=1&flag&a%20b=", "default|GET|GET /p|a=1:a b=:b=1,2:flag|"),
    ],
)
def test_the_key(target: str, text: str) -> None:
    ctx = FakeContext(target=target)
    Gateway().handler.access(ctx)

    assert ctx.response_headers["X-Cache-Key"] == sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("config", "status", "content_type", "expected"),
    [
        ({}, 200, JSON, "Hit"),
        ({}, 404, "text/plain", "Hit"),
        ({}, 500, JSON, "Bypass"),
        ({}, 200, "application/json", "Bypass"),
        ({}, 200, "not a type", "Bypass"),
        ({}, 200, None, "Bypass"),
        ({"content_type": ["nonsense;", "*/*"]}, 200, "image/png", "Hit"),
        ({"response_code": [500]}, 500, JSON, "Hit"),
    ],
)
def test_which_responses_are_kept(
    config: dict[str, Any], status: int, content_type: str | None, expected: str
) -> None:
    gateway = Gateway(**config)
    gateway.answer = (status, [("Content-Type", content_type)] if content_type else [], [b"x"])
    gateway.ask()

    assert gateway.ask()[0] == expected


@pytest.mark.parametrize(
    ("response_headers", "expected"),
    [
        ([("Cache-Control", "max-age=60")], ["Miss", "Hit"]),
        ([("Cache-Control", "s-maxage=60, max-age=0")], ["Miss", "Hit"]),
        ([("Cache-Control", "max-age=0")], ["Bypass", "Bypass"]),
        ([("Cache-Control", "max-age=60, private")], ["Bypass", "Bypass"]),
        ([("Cache-Control", "max-age=60"), ("Cache-Control", "no-store")], ["Bypass", "Bypass"]),
        ([("Cache-Control", "no-cache, max-age=60")], ["Bypass", "Bypass"]),
        ([("Expires", "Fri, 01 Jan 2100 00:00:00 GMT")], ["Miss", "Hit"]),
        ([("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")], ["Bypass", "Bypass"]),
        ([("Expires", "0")], ["Bypass", "Bypass"]),
        ([("Expires", "Mon, 01 Jan 2100 00:00:00 +99999999999999999999")], ["Bypass", "Bypass"]),
        ([], ["Bypass", "Bypass"]),
    ],
)
def test_cache_control_of_the_response(response_headers: list[tuple[str, str]], expected: list[str]) -> None:
    gateway = Gateway(cache_control=True)
    gateway.answer = (200, [("Content-Type", JSON), *response_headers], [b"x"])

    assert gateway.statuses(FakeContext(), FakeContext()) == expected


@pytest.mark.parametrize(
    ("directive", "expected"),
    [
        ("max-age=20", "Hit"),
        ("max-age=5", "Refresh"),
        ("max-stale=10", "Hit"),
        ("min-fresh=10", "Hit"),
        ("min-fresh=55", "Refresh"),
        ("only-if-cached", "Hit"),
    ],
)
def test_cache_control_of_the_request(directive: str, expected: str) -> None:
    gateway = Gateway(cache_control=True)
    gateway.answer = (200, [("Content-Type", JSON), ("Cache-Control", "max-age=60")], [b"x"])
    gateway.ask()
    gateway.host.clock += 10

    assert gateway.ask(FakeContext(headers=[("Cache-Control", directive)]))[0] == expected


def test_max_stale_beyond_the_time_to_live() -> None:
    gateway = Gateway(cache_control=True, storage_ttl=3600)
    gateway.answer = (200, [("Content-Type", JSON), ("Cache-Control", "max-age=60")], [b"x"])
    gateway.ask()
    gateway.host.clock += 100

    assert gateway.ask(FakeContext(headers=[("Cache-Control", "max-stale=50")]))[0] == "Hit"
    assert gateway.ask(FakeContext(headers=[("Cache-Control", "max-stale=30")]))[0] == "Refresh"


def test_only_if_cached_without_an_entry() -> None:
    status, ctx, reply = Gateway(cache_control=True).ask(
        FakeContext(headers=[("Cache-Control", "only-if-cached")])
    )

    assert reply is not None
    assert (reply.status, status) == (504, None)
    assert reply.body.startswith(b"The upstream server is timing out\n")
    assert ctx.response.headers.get("X-Cache-Key") is not None


def test_what_is_not_replayed() -> None:
    gateway = Gateway()
    gateway.answer = (
        200,
        [
            ("Content-Type", JSON),
            ("Connection", "close"),
            ("Content-Length", "1"),
            ("X-RateLimit-Remaining-Minute", "3"),
            ("Age", "7"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
        ],
        [b"x"],
    )
    gateway.ask()
    reply = gateway.ask()[2]

    assert reply is not None
    assert reply.headers == (("Content-Type", JSON), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))


def test_diagnostic_headers_can_be_switched_off_and_asked_for() -> None:
    gateway = Gateway(response_headers={"age": False, "X-Cache-Status": False, "X-Cache-Key": False})
    gateway.ask()
    _, ctx, reply = gateway.ask()
    assert reply is not None
    assert ctx.response_headers == {}

    _, ctx, _ = gateway.ask(FakeContext(headers=[("Kong-Debug", "1")]))
    assert set(ctx.response_headers) == {"age", "X-Cache-Status", "X-Cache-Key"}


def test_an_entry_of_another_version_is_dropped() -> None:
    gateway = Gateway()
    gateway.ask()
    key = storage_key(sha256(b"default|GET|GET / HTTP/1.1||").hexdigest())
    gateway.host.cache.put(key, b"\0" + encode_entry(200, [], b"", START, 30)[1:], 30)

    assert gateway.statuses(FakeContext(), FakeContext()) == ["Bypass", "Hit"]


def test_a_response_over_the_limit_passes_without_being_stored() -> None:
    gateway = Gateway()
    gateway.answer = (200, [("Content-Type", JSON)], [bytes(100_000)] * 2)

    assert gateway.statuses(FakeContext(), FakeContext()) == ["Miss", "Miss"]


def test_a_response_that_breaks_off_is_not_stored() -> None:
    gateway = Gateway()
    ctx = FakeContext()
    gateway.handler.access(ctx)
    ctx.respond(200, [("Content-Type", JSON)])
    gateway.handler.header_filter(ctx)
    gateway.handler.body_filter(ctx, b"half", False)

    assert gateway.ask()[0] == "Miss"


def test_an_entry_describes_itself() -> None:
    headers = [("X-A", "1"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")]

    assert describe_stored(encode_entry(200, headers, b"{}", START, 30)) == {
        "status": 200,
        "headers": {"x-a": "1", "set-cookie": ["a=1", "b=2"]},
        "body": "{}",
        "body_len": 2,
        "timestamp": START,
        "ttl": 30,
        "version": 1,
    }


@pytest.mark.parametrize(
    "stored",
    [b"", b"\0\0", b"\0\0\0\2{}", b"\0\0\0\2[]", b"\0\0\0\1x", b"\0\0\0\0015", b"\xff" * 40, b"\1\0\xc8"],
)
def test_half_an_entry_is_none(stored: bytes) -> None:
    assert describe_stored(stored) is None
