"""Kong's routing vectors for the two classic flavours: a table, a request, and who wins."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.config.entities import Route
from tests.compat.routing.tables import ask, make_connection, make_route, make_router, make_service, winner

C, T = "traditional_compatible", "traditional"
BOTH = (C, T)
POSTS = ("POST", "PUT", "PATCH")


def table(**routes: dict[str, Any]) -> list[Route]:
    """Write a table as ``R1={...}``; the number is the id."""
    return [make_route(int(name[1:]), **fields) for name, fields in routes.items()]


SEVEN = table(
    R1={"hosts": ("d1", "d2")},
    R2={"methods": ("TRACE",)},
    R3={"paths": ("/my-route",)},
    R4={"hosts": ("d1", "d2"), "paths": ("/route-4",)},
    R5={"hosts": ("d1", "d2"), "methods": POSTS},
    R6={"methods": POSTS, "paths": ("/route-6",)},
    R7={"hosts": ("u1", "u2"), "methods": POSTS, "paths": ("/my-route-uri",)},
)
PORTED = [*SEVEN, *table(R13={"hosts": ("d1:321", "d2")}, R14={"hosts": ("d3:321",)})]
WILDCARDS = table(R1={"hosts": ("*.route.com",)}, R2={"hosts": ("route.*",)})
PORTED_WILDCARDS = [*WILDCARDS, *table(R3={"hosts": ("*.route.net:123",)}, R4={"hosts": ("route.*:123",)})]
PLAIN_AND_WILD = table(
    R0={"hosts": ("plain.route.com",)},
    R1={"hosts": ("*.route.com",)},
    R2={"hosts": ("route.*",)},
    R4={"hosts": ("route.com",)},
)
NESTED = table(R1={"paths": ("/my-route/hello",)}, R2={"paths": ("/my-route",)})
WILD_PATHS = table(
    R1={"hosts": ("*.route.com",), "paths": ("/path1",)},
    R2={"hosts": ("plain.route.com",), "paths": ("/path2",)},
)
WILD_METHODS = table(
    R1={"hosts": ("*.domain.com", "example.com"), "paths": ("/path",), "methods": ("GET", "TRACE")}
)
WILD_REGEX = table(
    R1={"hosts": ("*.example.com",), "paths": (r"~/users/\d+/profile",)},
    R2={"hosts": ("*.example.com",), "paths": ("/users",)},
)
TWO_HEADERS = table(
    R1={"headers": {"version": ("v1", "v2"), "user_agent": ("foo", "bar")}},
    R2={"headers": {"version": ("v1", "v2"), "user_agent": ("foo", "bar"), "location": ("east", "west")}},
)
LOCATIONS = table(
    R1={"headers": {"location": ("l1", "l2")}},
    R2={"headers": {"location": ("l1",), "version": ("v1", "v2")}},
)
HEADER_AND_PATH = table(
    R1={"headers": {"version": ("v1",)}, "paths": ("/my-route/hello",)},
    R2={"headers": {"version": ("v1",), "location": ("us",)}, "paths": ("/my-route",)},
)
METHOD_OR_HOST = table(R1={"methods": ("GET",)}, R2={"hosts": ("domain.*",)})
MIXED_PATHS = table(
    R1={"hosts": ("d",), "paths": ("~/some/thing/else", "/foo")}, R2={"hosts": ("d",), "paths": ("/foo/bar",)}
)
SPREAD_PATHS = table(
    R1={"hosts": ("d",), "paths": ("/foo", "/foo/bar/baz")}, R2={"hosts": ("d",), "paths": ("/foo/bar",)}
)
SNIS = table(
    R1={"hosts": ("s",), "snis": ("s",)},
    R2={"hosts": ("s",), "protocols": ("http",)},
)
ROOT_AND_PATH = table(R0={"paths": ("/",)}, R3={"paths": ("/my-route",)})

Vector = tuple[tuple[str, ...], list[Route], str, str, str, dict[str, Any], str | None]

VECTORS: list[Vector] = [
    (BOTH, SEVEN, "TRACE", "d2", "/", {}, "R1"),
    (BOTH, SEVEN, "TRACE", "other", "/my-route", {}, "R3"),
    (BOTH, SEVEN, "GET", "d1", "/route-4", {}, "R4"),
    (BOTH, SEVEN, "POST", "d1", "/", {}, "R5"),
    (BOTH, PORTED, "GET", "d1", "/", {}, "R1"),
    (BOTH, PORTED, "GET", "d1:80", "/", {}, "R1"),
    (BOTH, PORTED, "GET", "d1:123", "/", {}, "R1"),
    (BOTH, PORTED, "GET", "d1:321", "/", {}, "R13"),
    (BOTH, PORTED, "GET", "d3:321", "/", {}, "R14"),
    (BOTH, PORTED, "GET", "d3:123", "/", {}, None),
    (BOTH, NESTED, "GET", "x", "/my-route/hello/world", {}, "R1"),
    (BOTH, NESTED, "GET", "x", "/my-route/world", {}, "R2"),
    (
        BOTH,
        table(
            R1={"hosts": ("a",), "paths": ("/my-route",)},
            R2={"hosts": ("a",), "paths": ("/my-route/hello",)},
            R3={"hosts": ("b",), "paths": ("/my-route/hello/world",)},
        ),
        "GET",
        "a",
        "/my-route/hello/world",
        {},
        "R2",
    ),
    (
        BOTH,
        table(R1={"paths": ("/something/my-route",)}, R2={"hosts": ("e",), "paths": ("/my-route",)}),
        "GET",
        "e",
        "/something/my-route",
        {},
        "R1",
    ),
    (
        BOTH,
        table(R1={"paths": ("/route/persons",)}, R2={"paths": (r"~/route/persons/\d+/profile",)}),
        "GET",
        "x",
        "/route/persons/123/profile",
        {},
        "R2",
    ),
    (
        BOTH,
        table(R1={"paths": ("/route/fixture",)}, R2={"paths": ("~/route/(fixture)",)}),
        "GET",
        "x",
        "/route/fixture",
        {},
        "R2",
    ),
    (
        BOTH,
        table(
            R1={"hosts": ("r",), "paths": ("/pat",)},
            R2={"hosts": ("r",), "paths": ("/path",), "methods": ("POST",)},
            R3={"hosts": ("r",), "paths": ("~/(path)",)},
        ),
        "GET",
        "r",
        "/path",
        {},
        "R3",
    ),
    (BOTH, table(R1={"paths": ("~/prefix/[0-9]+",)}), "GET", "x", "/extra/prefix/123", {}, None),
    (BOTH, WILDCARDS, "GET", "foo.route.com", "/", {}, "R1"),
    (BOTH, WILDCARDS, "GET", "route.org", "/", {}, "R2"),
    (BOTH, WILDCARDS, "GET", "route.org:123", "/", {}, "R2"),
    (BOTH, WILDCARDS, "GET", "foo.route.com:123", "/", {}, "R1"),
    (BOTH, PORTED_WILDCARDS, "GET", "foo.route.net:123", "/", {}, "R3"),
    (BOTH, PORTED_WILDCARDS, "GET", "foo.route.net:456", "/", {}, None),
    (BOTH, PORTED_WILDCARDS, "GET", "route.org:123", "/", {}, "R4"),
    *(
        (
            flavors,
            table(R2={"hosts": ("route.*",)}, R3={"hosts": ("route.*:80",)}),
            "GET",
            host,
            "/",
            {},
            expected,
        )
        for flavors, host, expected in (
            (BOTH, "route.org:80", "R3"),
            (BOTH, "route.org:123", "R2"),
            (BOTH, "route.org", "R3"),
        )
    ),
    (BOTH, PLAIN_AND_WILD, "GET", "route.com", "/", {}, "R4"),
    (BOTH, PLAIN_AND_WILD, "GET", "route.org", "/", {}, "R2"),
    (BOTH, PLAIN_AND_WILD, "GET", "plain.route.com", "/", {}, "R0"),
    (BOTH, PLAIN_AND_WILD, "GET", "foo.route.com", "/", {}, "R1"),
    (BOTH, WILD_PATHS, "GET", "plain.route.com", "/path1", {}, "R1"),
    (BOTH, WILD_PATHS, "GET", "plain.route.com", "/path2", {}, "R2"),
    (BOTH, WILD_METHODS, "POST", "foo.domain.com", "/path", {}, None),
    (BOTH, WILD_METHODS, "GET", "foo.domain.com", "/path", {}, "R1"),
    (BOTH, WILD_METHODS, "TRACE", "example.com", "/path", {}, "R1"),
    (BOTH, WILD_REGEX, "GET", "test.example.com", "/users/123/profile", {}, "R1"),
    (BOTH, WILD_REGEX, "GET", "test.example.com", "/users", {}, "R2"),
    (
        BOTH,
        TWO_HEADERS,
        "GET",
        "x",
        "/",
        {
            "headers": [
                ("version", "v1"),
                ("user_agent", "foo"),
                ("location", "north"),
                ("location", "west"),
            ]
        },
        "R2",
    ),
    *(
        (
            BOTH,
            LOCATIONS,
            "GET",
            "x",
            "/",
            {"headers": [*(("location", place) for place in places), *rest]},
            expected,
        )
        for places, rest, expected in (
            (("l1", "l3"), [("version", "v2")], "R2"),
            (("l3", "l2"), [("version", "v2")], "R1"),
            (("l3",), [], None),
        )
    ),
    (
        BOTH,
        HEADER_AND_PATH,
        "GET",
        "x",
        "/my-route/hello",
        {"headers": [("version", "v1"), ("location", "us")]},
        "R2",
    ),
    (
        BOTH,
        table(R1={"hosts": ("host1",), "paths": ("/v1/path",)}, R2={"hosts": ("host2",), "paths": ("/",)}),
        "GET",
        "host2",
        "/v1/path",
        {},
        "R2",
    ),
    (
        BOTH,
        table(R1={"methods": ("GET",)}, R2={"paths": ("/example",)}),
        "GET",
        "x",
        "/example",
        {},
        "R2",
    ),
    (BOTH, METHOD_OR_HOST, "GET", "nothing.com", "/", {}, "R1"),
    (BOTH, METHOD_OR_HOST, "GET", "domain.com", "/", {}, "R2"),
    (
        BOTH,
        table(R1={"paths": ("/a", "/bbbbbbb")}, R2={"paths": ("/a/bb",)}),
        "GET",
        "x",
        "/a/bb/foobar",
        {},
        "R2",
    ),
    (BOTH, ROOT_AND_PATH, "GET", "x", "/foobar/baz", {}, "R0"),
    (BOTH, ROOT_AND_PATH, "GET", "x", "/my-route/x", {}, "R3"),
    (BOTH, MIXED_PATHS, "GET", "d", "/some/thing/else", {}, "R1"),
    (BOTH, MIXED_PATHS, "GET", "d", "/foo/bar", {}, "R2"),
    (BOTH, SPREAD_PATHS, "GET", "d", "/foo", {}, "R1"),
    (BOTH, SPREAD_PATHS, "GET", "d", "/foo/bar", {}, "R2"),
    (
        BOTH,
        table(
            R1={"hosts": ("d2",), "paths": ("/",), "regex_priority": 5},
            R2={"hosts": ("d2",), "paths": ("/v1",)},
        ),
        "GET",
        "d2",
        "/v1",
        {},
        "R2",
    ),
    ((T,), SNIS, "GET", "s", "/", {}, "R2"),
    ((C,), SNIS, "GET", "s", "/", {}, "R1"),
]


@pytest.mark.parametrize(
    ("flavor", "routes", "method", "host", "path", "facts", "expected"),
    [(flavor, *vector[1:]) for vector in VECTORS for flavor in vector[0]],
)
def test_the_winner(
    flavor: str,
    routes: list[Route],
    method: str,
    host: str,
    path: str,
    facts: dict[str, Any],
    expected: str | None,
) -> None:
    router = make_router(routes, flavor)

    assert winner(router, path, method=method, host=host, **facts) == expected
    # The second answer comes from the cache.
    assert winner(router, path, method=method, host=host, **facts) == expected


HOST_PORTS = [
    ("example.com", "example.com", 80, True, True),
    ("example.com", "example.com:80", 80, True, True),
    ("example.com", "example.com:123", 80, True, True),
    ("example.com", "EXAMPLE.com", 80, True, True),
    ("example.com", "example.com.", 80, False, False),
    ("example.com:321", "example.com:321", 80, True, True),
    ("example.com:321", "example.com:123", 80, False, False),
    ("example.com:80", "example.com", 80, False, True),
    ("example.com:80", "example.com", 8000, False, False),
    ("example.com:8000", "example.com", 8000, False, True),
    ("[::1]", "[::1]", 80, True, True),
    ("::1", "::1", 80, True, True),
    ("[::1]", "[::1]:654", 80, True, False),
    ("*.example.com", "a.b.example.com", 80, True, True),
    ("*.example.com", "example.com", 80, False, False),
    ("example.*", "example.co.uk:8443", 80, True, True),
]


@pytest.mark.parametrize(("route_host", "host", "port", "traditional", "compatible"), HOST_PORTS)
def test_host_ports(route_host: str, host: str, port: int, traditional: bool, compatible: bool) -> None:
    for flavor, expected in ((T, traditional), (C, compatible)):
        router = make_router([make_route(1, hosts=(route_host,))], flavor)

        assert (winner(router, host=host, connection=make_connection(port=port)) == "R1") is expected


@pytest.mark.parametrize("flavor", BOTH)
def test_captures(flavor: str) -> None:
    path = r"~/users/(?P<user_id>\d+)/profile/?(?P<scope>[a-z]*)"
    match = ask(make_router([make_route(1, paths=(path,))], flavor), "/users/1984/profile")

    assert match is not None
    assert match.captures is not None
    assert match.captures.unnamed == ("/users/1984/profile", "1984", "")
    assert match.captures.named == {"user_id": "1984", "scope": ""}


@pytest.mark.parametrize("flavor", BOTH)
def test_captures_come_from_the_normalised_path(flavor: str) -> None:
    router = make_router([make_route(1, paths=("~/users/(?<name>[a-z ]+)/profile(/x)?",))], flavor)

    match = ask(router, "/users/%6aohn%20doe/profile")

    assert match is not None
    assert match.captures is not None
    assert match.captures.named == {"name": "john doe"}
    assert match.captures.unnamed[2] is None


@pytest.mark.parametrize("flavor", BOTH)
def test_a_regex_without_groups_has_no_captures(flavor: str) -> None:
    match = ask(make_router([make_route(1, paths=(r"~/\d+",))], flavor), "/12")

    assert match is not None
    assert match.captures is None


STRIPPED = [
    ("/my-route", "/my-route/hello/world", b"/my-route", b"/hello/world"),
    ("/my-route", "/my-route", b"/my-route", b"/"),
    ("/", "/my-route", None, b"/my-route"),
    ("/endel%2Fst", "/endel%2Fst", b"/endel%2Fst", b"/"),
    (r"~/users/(\d+)/profile", "/users/123/profile/hello/world", b"/users/123/profile", b"/hello/world"),
    ("/foo", "/foo bar/ø", b"/foo", b"/%20bar/%C3%B8"),
]


@pytest.mark.parametrize("flavor", BOTH)
@pytest.mark.parametrize(("path", "asked", "prefix", "upstream"), STRIPPED)
def test_strip(flavor: str, path: str, asked: str, prefix: bytes | None, upstream: bytes) -> None:
    match = ask(make_router([make_route(1, paths=(path,))], flavor), asked)

    assert match is not None
    assert (match.prefix, match.upstream_path) == (prefix, upstream)


def test_no_strip_no_prefix() -> None:
    match = ask(make_router([make_route(1, paths=("/a",), strip_path=False)], C), "/a/b")

    assert match is not None
    assert (match.prefix, match.upstream_path) == (None, b"/a/b")


def test_path_handling_v1_is_for_the_traditional_flavour() -> None:
    route = make_route(1, paths=("/rou",), path_handling="v1")
    upstream_paths = [
        match.upstream_path
        for match in (
            ask(make_router([route], flavor, make_service(path="/srv")), "/roureq") for flavor in BOTH
        )
        if match is not None
    ]

    assert upstream_paths == [b"/srv/req", b"/srvreq"]


def test_a_path_that_is_no_text_has_a_route_only_in_the_traditional_flavour() -> None:
    routes = [make_route(1, paths=("/",))]

    assert winner(make_router(routes, C), "/%99") is None
    assert winner(make_router(routes, T), "/%99") == "R1"


def test_the_compatible_flavour_lowers_header_patterns() -> None:
    routes = [make_route(1, headers={"X-A": (r"~*^v\D$",)})]

    assert winner(make_router(routes, C), headers=[("x-a", "v1")]) == "R1"
    assert winner(make_router(routes, T), headers=[("x-a", "v1")]) is None
    assert winner(make_router(routes, T), headers=[("x-a", "Vx")]) == "R1"


def test_only_the_compatible_flavour_takes_a_pattern_among_several_values() -> None:
    routes = [make_route(1, headers={"x": ("one", "~*^two")})]

    assert winner(make_router(routes, C), headers=[("x", "two3")]) == "R1"
    assert winner(make_router(routes, T), headers=[("x", "two3")]) is None


SNI_PATTERNS = [
    ("a.test", "a.test", True),
    ("a.test.", "a.test", True),
    ("*.test", "b.a.test", True),
    ("a.*", "a.org", True),
    ("a.test", "b.test", False),
    ("a.test", None, False),
]


@pytest.mark.parametrize(("pattern", "sni", "expected"), SNI_PATTERNS)
def test_snis(pattern: str, sni: str | None, expected: bool) -> None:
    router = make_router([make_route(1, snis=(pattern,), protocols=("https",))], C)

    found = winner(router, connection=make_connection("https", 443, sni))

    assert (found == "R1") is expected


def test_equal_priority_goes_to_the_greater_id() -> None:
    routes = [make_route(number, paths=("/a",)) for number in (1, 3, 2)]

    assert winner(make_router(routes, C), "/a") == "R3"
    assert winner(make_router(routes, T), "/a") == "R1"


def test_the_older_route_wins_in_the_traditional_flavour() -> None:
    routes = [make_route(1, paths=("/a",), created_at=9), make_route(2, paths=("/a",), created_at=8)]

    assert winner(make_router(routes, T), "/a") == "R2"


def test_routes_of_a_disabled_service_and_stream_routes_are_left_out() -> None:
    routes = [make_route(1, paths=("/a",))]

    assert winner(make_router(routes, C, make_service(enabled=False)), "/a") is None
    assert winner(make_router([make_route(1, protocols=("tcp",), snis=("a",))], C)) is None
