"""The expressions flavour: what expressions match, how they rank, and what they strip."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.routing.router import RouterEntry, build
from tests.compat.routing.tables import address, ask, make_connection, make_route, make_router, winner

TLS = make_connection("https", 443, "s.test", ("10.1.2.3", 4000), ("10.0.0.9", 443))
ALL = ("http", "https")

MATCHING: list[tuple[str, str, dict[str, Any], bool]] = [
    ('http.path.segments.0 == "foo" && http.path.segments.len == 1', "/foo", {}, True),
    ('http.path.segments.0 == "foo" && http.path.segments.len == 1', "/foo/", {}, True),
    ('http.path.segments.0 == "foo" && http.path.segments.len == 1', "/foo/xxx", {}, False),
    ("http.path.segments.len == 0", "/", {}, True),
    ('http.path.segments.1_2 == "xxx/yyy"', "/foo/xxx/yyy", {}, True),
    ('http.path.segments.4_1 == "xxx"', "/foo/xxx/yyy/a/b", {}, False),
    ('http.path.segments.1_9 != "xxx"', "/foo/xxx", {}, False),
    ('http.path.segments.1 == "xxx"', "/foo/xxx/yyy", {}, True),
    ('http.queries.a == ""', "/", {"query": "a"}, True),
    ('http.queries.a == ""', "/", {"query": "a="}, True),
    ('http.queries.a == ""', "/", {"query": "b"}, False),
    ('any(http.queries.a) == "2"', "/", {"query": "a=2&a=10"}, True),
    ('http.queries.a == "2"', "/", {"query": "a=2&a=10"}, False),
    ('http.queries.a == "x y"', "/", {"query": "%61=x+%79"}, True),
    ('http.queries.a != "1"', "/", {}, False),
    ('http.method == "GET" || http.method == "PUT"', "/", {"method": "PUT"}, True),
    ('http.method == "get"', "/", {}, False),
    ('lower(http.method) == "get"', "/", {}, True),
    ('http.host == "a.test"', "/", {"host": "a.test:99"}, True),
    ('http.host == "a.test"', "/", {"host": "A.test"}, False),
    ('lower(http.host) == "a.test"', "/", {"host": "A.test"}, True),
    ('http.host =^ ".test"', "/", {"host": "b.a.test"}, True),
    ('http.host ^= "b."', "/", {"host": "b.a.test"}, True),
    ('http.path ~ "^/a/(b|c)$"', "/a/c", {}, True),
    (r'http.path ~ r#"\d+"#', "/a/12", {}, True),
    ('http.path contains "/x/"', "/a/x/b", {}, True),
    ('http.path =^ "/b"', "/a/b", {}, True),
    ('http.path != "/b"', "/a/b", {}, True),
    ('!(http.path == "/b") && http.path ^= "/"', "/a", {}, True),
    ('http.headers.x_a == "v"', "/", {"headers": [("X-A", "v")]}, True),
    ('http.headers.x_a == "v"', "/", {"headers": [("X-A", "V")]}, False),
    ('http.headers.x_a == "v"', "/", {"headers": [("X-A", "v"), ("X-A", "w")]}, False),
    ('any(http.headers.x_a) == "v"', "/", {"headers": [("X-A", "w"), ("X-A", "v")]}, True),
    ('any(lower(http.headers.x_a)) == "v"', "/", {"headers": [("X-A", "w"), ("X-A", "V")]}, True),
    ('lower(any(http.headers.x_a)) ^= "v"', "/", {"headers": [("X-A", "w"), ("X-A", "Vx")]}, True),
    ('http.headers.x_a != "v"', "/", {}, False),
    ('http.headers.host == "a"', "/", {"host": "a", "headers": [("Host", "a")]}, False),
    ('!(http.headers.x_a == "v")', "/", {}, True),
    ("net.src.ip in 10.0.0.0/8", "/", {"connection": TLS}, True),
    ("net.src.ip in fe80::/10", "/", {"connection": TLS}, False),
    ("net.src.ip not in fe80::/10", "/", {"connection": TLS}, True),
    ("net.src.ip == 10.1.2.3 && net.src.port == 4000", "/", {"connection": TLS}, True),
    ("net.src.ip != 10.1.2.3", "/", {"connection": TLS}, False),
    ("net.dst.ip == 10.0.0.9 && net.dst.port == 443", "/", {"connection": TLS}, True),
    ("net.dst.port >= 8000 && net.dst.port < 9000", "/", {"host": "a:8443", "connection": TLS}, True),
    ("net.port > 8000 || net.dst.port <= 80", "/", {"connection": TLS}, False),
    ('tls.sni == "s.test" && net.protocol == "https"', "/", {"connection": TLS}, True),
    ('tls.sni =^ ".test"', "/", {"connection": TLS}, True),
    ('tls.sni != "x"', "/", {}, False),
]


@pytest.mark.parametrize(("expression", "path", "facts", "expected"), MATCHING)
def test_matching(expression: str, path: str, facts: dict[str, Any], expected: bool) -> None:
    router = make_router([make_route(1, expression=expression, priority=0)], "expressions")

    assert (winner(router, path, **facts) == "R1") is expected


@pytest.mark.parametrize(("expression", "path", "facts", "expected"), MATCHING)
def test_matching_in_a_crowd(expression: str, path: str, facts: dict[str, Any], expected: bool) -> None:
    """The same, when every leaf is divided by its selectors and its regexes."""
    routes = [make_route(number, expression=expression, priority=0) for number in range(1, 21)]

    assert (winner(make_router(routes, "expressions"), path, **facts) == "R20") is expected


def test_priority_decides_then_the_greater_id() -> None:
    routes = [
        make_route(1, expression='http.path ^= "/"', priority=5),
        make_route(2, expression='http.path ^= "/a"', priority=4),
        make_route(3, expression='http.path == "/a"', priority=5),
        make_route(4, paths=("/a",), methods=("GET",)),
    ]

    assert winner(make_router(routes, "expressions"), "/a") == "R3"
    assert winner(make_router(routes[1:2] + routes[3:], "expressions"), "/a") == "R2"
    assert winner(make_router(routes[3:], "expressions"), "/a") == "R4"


PROTOCOLS = [
    (ALL, "http", True),
    (("http",), "https", False),
    (("https",), "http", True),
    (("http",), "http", True),
    (("grpc",), "http", True),
    (("grpc",), "https", False),
    (("grpc", "grpcs"), "https", True),
]


@pytest.mark.parametrize(("protocols", "scheme", "expected"), PROTOCOLS)
def test_protocols(protocols: tuple[str, ...], scheme: str, expected: bool) -> None:
    routes = [make_route(1, expression='http.path ^= "/"', priority=0, protocols=protocols)]
    router = make_router(routes, "expressions")

    assert (winner(router, connection=make_connection(scheme)) == "R1") is expected


def test_classic_fields_may_have_sources() -> None:
    routes = [
        make_route(1, paths=("/",), sources=(address("10.0.0.0/8"),), destinations=(address(port=443),))
    ]
    router = make_router(routes, "expressions")

    assert winner(router, connection=TLS) == "R1"
    assert winner(router) is None


STRIPPED = [
    ('http.path ^= "/a"', "/a/b", b"/a", b"/b"),
    ('http.path == "/a/b"', "/a/b", b"/a/b", b"/"),
    (r'http.path ~ r#"^/a/\d+"#', "/a/12/x", b"/a/12", b"/x"),
    ('http.method == "GET"', "/a/b", None, b"/a/b"),
    ('http.path =^ "/b"', "/a/b", None, b"/a/b"),
    ('http.path ^= "/x" || http.path ^= "/a"', "/a/b", b"/a", b"/b"),
]


@pytest.mark.parametrize(("expression", "path", "prefix", "upstream"), STRIPPED)
def test_strip(expression: str, path: str, prefix: bytes | None, upstream: bytes) -> None:
    match = ask(make_router([make_route(1, expression=expression, priority=0)], "expressions"), path)

    assert match is not None
    assert (match.prefix, match.upstream_path) == (prefix, upstream)


def test_captures() -> None:
    expression = r'http.path ~ r#"^/users/(?<id>\d+)"#'
    match = ask(make_router([make_route(1, expression=expression, priority=0)], "expressions"), "/users/7/x")

    assert match is not None
    assert match.captures is not None
    assert match.captures.named == {"id": "7"}


@pytest.mark.parametrize(
    ("expression", "message", "offset"),
    [
        ("http.path == ", "expected a value", 13),
        ("http.path == 1", "Type mismatch", 13),
        ('http.path ~ "^/(?=a)"', "look-around", 15),
        ('http.path ~ r#"^/(?=a)"#', "look-around", 17),
    ],
)
def test_a_bad_expression_is_a_problem(expression: str, message: str, offset: int) -> None:
    router = build([RouterEntry(make_route(1, expression=expression), None, "R1")], "expressions")

    assert len(router.problems) == 1
    problem = router.problems[0]
    assert message in problem.message
    assert (problem.route_id, problem.field, problem.offset) == (make_route(1).id, "expression", offset)
