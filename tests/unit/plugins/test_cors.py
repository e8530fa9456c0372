"""cors, row by row of its page."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import cors
from tests.support.plugin_context import FakeContext, make_handler

METHODS = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
DEFAULTS: dict[str, Any] = {
    "methods": METHODS,
    "credentials": False,
    "private_network": False,
    "preflight_continue": False,
    "allow_origin_absent": True,
}
ORIGIN = "http://foo.test"
ALLOW_METHODS = {"Access-Control-Allow-Methods": ",".join(METHODS)}


def preflight(config: dict[str, Any], origin: str = ORIGIN, **headers: str) -> Any:
    lines = [("Origin", origin), ("Access-Control-Request-Method", "GET")]
    lines += [(name.replace("_", "-"), value) for name, value in headers.items()]
    ctx = FakeContext("OPTIONS", headers=lines)
    return make_handler(cors, DEFAULTS | config).access(ctx)


def simple(
    config: dict[str, Any], origin: str | None = ORIGIN, response: list[tuple[str, str]] | None = None
) -> list[tuple[str, str]]:
    ctx = FakeContext(headers=[("Origin", origin)] if origin is not None else [])
    handler = make_handler(cors, DEFAULTS | config)
    assert handler.access(ctx) is None
    ctx.respond(200, response or [])
    handler.header_filter(ctx)
    return sorted(ctx.response.headers.items())


@pytest.mark.parametrize(
    ("config", "request_headers", "expected"),
    [
        ({}, {}, {"Access-Control-Allow-Origin": "*"}),
        (
            {"max_age": 23},
            {"Access_Control_Request_Headers": "x-a, x-b"},
            {
                "Access-Control-Allow-Origin": "*",
                "Access-Control-Allow-Headers": "x-a, x-b",
                "Access-Control-Max-Age": "23",
            },
        ),
        (
            {"headers": ["x-1", "x-2"], "exposed_headers": ["x-3"]},
            {"Access_Control_Request_Headers": "x-a"},
            {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "x-1,x-2"},
        ),
        (
            {"credentials": True},
            {},
            {
                "Access-Control-Allow-Origin": ORIGIN,
                "Access-Control-Allow-Credentials": "true",
                "Vary": "Origin",
            },
        ),
        (
            {"origins": ["http://bar.test", "http://baz.test"], "credentials": True},
            {},
            {"Access-Control-Allow-Credentials": "true", "Vary": "Origin"},
        ),
        (
            {"private_network": True},
            {"Access_Control_Request_Private_Network": "true"},
            {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Private-Network": "true"},
        ),
        ({"private_network": True}, {}, {"Access-Control-Allow-Origin": "*"}),
    ],
)
def test_preflight(config: dict[str, Any], request_headers: dict[str, str], expected: dict[str, str]) -> None:
    reply = preflight(config, **request_headers)

    assert (reply.status, reply.body) == (200, b"")
    assert dict(reply.headers) == expected | ALLOW_METHODS


@pytest.mark.parametrize(
    ("methods", "shown"), [(["POST", "GET"], "POST,GET"), (None, ",".join(METHODS)), ([], "")]
)
def test_methods_keep_their_order(methods: list[str] | None, shown: str) -> None:
    reply = preflight({"methods": methods})

    assert dict(reply.headers)["Access-Control-Allow-Methods"] == shown


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", [("Origin", ORIGIN), ("Access-Control-Request-Method", "GET")]),
        ("OPTIONS", [("Access-Control-Request-Method", "GET")]),
        ("OPTIONS", [("Origin", ""), ("Access-Control-Request-Method", "GET")]),
        ("OPTIONS", [("Origin", ORIGIN)]),
    ],
)
def test_what_is_no_preflight(method: str, headers: list[tuple[str, str]]) -> None:
    assert make_handler(cors, DEFAULTS).access(FakeContext(method, headers=headers)) is None


def test_preflight_continue_leaves_everything_to_the_target() -> None:
    handler = make_handler(cors, DEFAULTS | {"preflight_continue": True})
    ctx = FakeContext("OPTIONS", headers=[("Origin", ORIGIN), ("Access-Control-Request-Method", "GET")])
    assert handler.access(ctx) is None
    ctx.respond(204, [("Vary", "X")])
    handler.header_filter(ctx)

    assert ctx.response.headers.items() == [("Vary", "X")]


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (None, ORIGIN, "*"),
        ([], ORIGIN, "*"),
        (["*"], ORIGIN, "*"),
        (["foo.test"], "http://other.test", "foo.test"),
        (["http://foo.test", "*"], "http://other.test", "*"),
        (["http://foo.test", "http://bar.test"], "http://foo.test", "http://foo.test"),
        (["http://foo.test", "http://bar.test"], "http://foo.test:80", "http://foo.test"),
        (["http://foo.test:80", "http://bar.test"], "http://foo.test", "http://foo.test"),
        (["https://foo.test", "http://bar.test"], "https://foo.test:443", "https://foo.test"),
        (["http://foo.test", "http://bar.test"], "http://foo.test:8000", None),
        (["http://foo.test", "http://bar.test"], "https://foo.test", None),
        (["foo.test", "bar.test"], "http://foo.test", None),
        (["foo.test", "bar.test"], "foo.test", "foo.test"),
        ([r"foo\.test"], "https://foo.test:99", "https://foo.test:99"),
        ([r"^foo\.test$"], "http://foo.test", "http://foo.test"),
        ([r"foo\.test"], "http://evilfoo.test", None),
        ([r"foo\.test"], "http://foo.test.evil", None),
        ([r"(.*[./])?foo\.test:8000"], "https://a.foo.test:8000", "https://a.foo.test:8000"),
        ([r"(.*[./])?foo\.test:8000"], "https://a.foo.test", None),
        ([r"(.*\.)?foo\.test"], "null", None),
        ([r"foo\.test"], "http://[bad", None),
        ([r"(.*)"], "http://[::1]:81", "http://[::1]:81"),
    ],
)
def test_the_origin_rule(origins: list[str] | None, origin: str, allowed: str | None) -> None:
    headers = dict(simple({"origins": origins}, origin, [("Access-Control-Allow-Origin", "target's")]))

    assert headers.get("Access-Control-Allow-Origin") == allowed


@pytest.mark.parametrize(
    ("config", "origin", "expected"),
    [
        ({}, None, [("Access-Control-Allow-Origin", "*"), ("Vary", "X")]),
        ({"allow_origin_absent": False}, None, [("Vary", "X")]),
        ({"allow_origin_absent": False}, "", [("Vary", "X")]),
        (
            {"origins": ["http://foo.test"]},
            None,
            [("Access-Control-Allow-Origin", "http://foo.test"), ("Vary", "Origin"), ("Vary", "X")],
        ),
        ({"origins": ["http://a.test", "*"]}, None, [("Vary", "Origin"), ("Vary", "X")]),
        ({"credentials": True}, None, [("Access-Control-Allow-Origin", "*"), ("Vary", "X")]),
        (
            {"credentials": True},
            ORIGIN,
            [
                ("Access-Control-Allow-Credentials", "true"),
                ("Access-Control-Allow-Origin", ORIGIN),
                ("Vary", "Origin"),
                ("Vary", "X"),
            ],
        ),
        (
            {"exposed_headers": ["x-1", "x-2"]},
            ORIGIN,
            [
                ("Access-Control-Allow-Origin", "*"),
                ("Access-Control-Expose-Headers", "x-1,x-2"),
                ("Vary", "X"),
            ],
        ),
    ],
)
def test_responses(config: dict[str, Any], origin: str | None, expected: list[tuple[str, str]]) -> None:
    assert simple(config, origin, [("Vary", "X")]) == expected


def test_config_errors() -> None:
    with pytest.raises(ConfigError) as caught:
        make_handler(cors, DEFAULTS | {"origins": ["http://a.test", "("]})

    assert (caught.value.field, caught.value.message) == ("origins[1]", "'(' is not a valid regex")
