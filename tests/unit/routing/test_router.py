"""Building, matching, caching and disposing; what a table means is tested in ``compat`` and ``property``."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from dbless_gateway.routing.flavors import FLAVORS
from dbless_gateway.routing.router import Router, RouterEntry, build, build_steps
from tests.compat.routing.tables import address, ask, make_connection, make_route, make_router, winner

C = "traditional_compatible"


class Value:
    """Something that a weak reference can watch."""


class CountedHeaders:
    """Headers that know how often they were asked for."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def get_all(self, name: bytes) -> list[bytes]:
        self.asked.append(name)
        return [b"v"]


def crowded_fields(number: int) -> list[dict[str, Any]]:
    """Return routes of every kind that the index keeps in a way of its own."""
    return [
        {"hosts": (f"h{number}.test",), "paths": ("/a",)},
        {"hosts": (f"*.h{number}.test",)},
        {"hosts": (f"h{number}.*",)},
        {"paths": ("/a",), "headers": {"x": (f"v{number}",)}},
        {"paths": (rf"~/a/\d+-{number}$",)},
        {"paths": (rf"~/a/[a-z]+/s{number}/\d+",)},
        {"paths": (f"/p{number}", f"/a/p{number}")},
    ]


def crowded_entries(flavor: str, value: Any = None) -> list[RouterEntry[Any]]:
    fields = [one for number in range(100) for one in crowded_fields(number)]
    if flavor == "expressions":
        fields += [
            {"expression": f'any(http.queries.q) == "{number}"', "priority": 1} for number in range(100)
        ]
    return [
        RouterEntry(make_route(number, **one), None, f"R{number}" if value is None else value)
        for number, one in enumerate(fields, start=1)
    ]


def run(steps: Any) -> tuple[Any, int]:
    """Run a generator to its end; return its result and how many steps there were."""
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value, count
        count += 1


@pytest.mark.parametrize("flavor", FLAVORS)
def test_building_and_disposing_come_in_slices(flavor: str) -> None:
    router, build_count = run(build_steps(crowded_entries(flavor), flavor))
    _, dispose_count = run(router.dispose_steps())

    assert build_count > 80
    assert dispose_count > 2


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_late_request_is_a_miss(flavor: str) -> None:
    router = build(crowded_entries(flavor), flavor)
    for _ in router.dispose_steps():
        ask(router, "/a/12-7", host="b.h7.test", headers=[("X", "v7")], query="q=7")

    assert winner(router, "/a/12-7", host="b.h7.test") is None


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_router_dies_without_the_collector(flavor: str) -> None:
    gc.disable()
    try:
        value = Value()
        watched = weakref.ref(value)
        router = build(crowded_entries(flavor, value), flavor)
        ask(router, "/a/1-7")
        ask(router, "/nowhere/at/all")
        del value
        assert watched() is not None
        del router

        assert watched() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("path", "facts", "expected"),
    [
        ("/a", {"host": "h7.test"}, 7 * 7 + 1),
        ("/x", {"host": "b.h7.test"}, 7 * 7 + 2),
        ("/x", {"host": "h7.org"}, 7 * 7 + 3),
        ("/a", {"headers": [("X", "V7")]}, 7 * 7 + 4),
        ("/a/12-7", {}, 7 * 7 + 5),
        ("/a/abc/s7/1", {}, 7 * 7 + 6),
        ("/a/p7/x", {}, 7 * 7 + 7),
        ("/a/p", {}, None),
        ("/a", {"headers": [("X", "other")]}, None),
    ],
)
@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_crowd_is_told_apart(flavor: str, path: str, facts: dict[str, Any], expected: int | None) -> None:
    router = build(crowded_entries(flavor), flavor)

    assert winner(router, path, **facts) == (expected and f"R{expected}")


@pytest.mark.slow
def test_a_huge_pattern_does_not_spoil_a_set() -> None:
    """RE2 refuses a set that is too large; such patterns are tried one by one."""
    routes = [make_route(number, paths=(rf"~/a/\pL{{1,80}}{number}$",)) for number in range(1, 11)]

    assert winner(make_router(routes, C), "/a/bb7") == "R7"


def decision_is_shared(fields: dict[str, Any], first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Tell whether two requests get the same match object, that is, share a place in the cache."""
    router = make_router([make_route(1, **fields)], "expressions")
    one, two = ask(router, "/a", **first), ask(router, "/a", **second)
    assert one is not None
    assert two is not None
    return one is two


TLS = make_connection("https", 443, "s")
OTHER_CLIENT = make_connection("http", 80, None, ("10.9.9.9", 7), ("10.9.9.8", 80))
SHARED: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], bool]] = [
    ({"paths": ("/",), "protocols": ("https",)}, {"host": "x"}, {"host": "y"}, True),
    ({"paths": ("/",), "protocols": ("https",)}, {"method": "GET"}, {"method": "PUT"}, True),
    ({"paths": ("/",), "protocols": ("https",)}, {"headers": [("x", "1")]}, {"headers": []}, True),
    ({"paths": ("/",), "protocols": ("https",)}, {"query": "a"}, {"query": "b"}, True),
    ({"paths": ("/",), "protocols": ("https",)}, {"connection": TLS}, {}, True),
    ({"paths": ("/",)}, {"connection": TLS}, {}, False),
    ({"paths": ("/",)}, {"connection": OTHER_CLIENT}, {}, True),
    (
        {"paths": ("/",), "sources": (address(port=7), address(port=50000))},
        {"connection": OTHER_CLIENT},
        {},
        False,
    ),
    ({"paths": ("/",), "destinations": (address(port=80),)}, {"host": "a"}, {"host": "a:80"}, False),
    ({"hosts": ("a", "a:80")}, {"host": "a"}, {"host": "a", "connection": make_connection(port=81)}, False),
    ({"expression": "net.dst.ip != 10.0.0.1", "priority": 1}, {"connection": OTHER_CLIENT}, {}, False),
    ({"hosts": ("*.test",), "protocols": ("https",)}, {"host": "x.test"}, {"host": "y.test"}, False),
    ({"methods": ("GET", "PUT"), "protocols": ("https",)}, {"method": "GET"}, {"method": "PUT"}, False),
    ({"headers": {"x": ("1", "2")}}, {"headers": [("x", "1")]}, {"headers": [("x", "2")]}, False),
    ({"expression": 'http.queries.q ^= "1"', "priority": 1}, {"query": "q=1"}, {"query": "q=12"}, False),
    ({"expression": "net.src.port > 0", "priority": 1}, {"host": "x:1"}, {"host": "x:2"}, False),
    (
        {"expression": 'any(http.headers.x) != "1"', "priority": 1, "protocols": ("https",)},
        {"headers": [("x", "2")]},
        {"headers": [("x", "3")]},
        False,
    ),
    (
        {"expression": 'http.method != "X"', "priority": 1, "protocols": ("https",)},
        {"method": "GET"},
        {"method": "PUT"},
        False,
    ),
    (
        {"expression": 'http.host != "x"', "priority": 1, "protocols": ("https",)},
        {"host": "a"},
        {"host": "b"},
        False,
    ),
    (
        {"expression": 'tls.sni != "x"', "priority": 1, "protocols": ("https",)},
        {"connection": TLS},
        {"connection": make_connection("https", 443, "t")},
        False,
    ),
]


@pytest.mark.parametrize(("fields", "first", "second", "expected"), SHARED)
def test_only_inputs_that_are_used_divide_the_cache(
    fields: dict[str, Any], first: dict[str, Any], second: dict[str, Any], expected: bool
) -> None:
    assert decision_is_shared(fields, first, second) is expected


def test_very_long_paths_are_not_remembered() -> None:
    router = make_router([make_route(1, paths=("/",))], C)
    path = "/" + "a" * 1000

    assert ask(router, path) is not ask(router, path)
    assert ask(router, "/a") is ask(router, "/a")


def test_headers_that_no_route_uses_are_not_asked_for() -> None:
    headers = CountedHeaders()
    router = make_router([make_route(1, paths=("/",), headers={"X_Used": ("v",)})], C)

    router.match(b"GET", b"", b"/", make_connection(), headers, None)

    assert set(headers.asked) == {b"x-used"}


def problems_of(flavor: str, **fields: Any) -> list[tuple[str, int | None, str, int | None]]:
    router: Router[str] = build([RouterEntry(make_route(1, **fields), None, "")], flavor)
    return [(one.field, one.index, one.message, one.offset) for one in router.problems]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_problems(flavor: str) -> None:
    assert problems_of(flavor, paths=("/a", "~/a(?!b)", "~/[b")) == [
        ("paths", 1, "invalid regex: look-around is not supported: (?!", 3),
        ("paths", 2, "invalid regex: missing ]: [b", 2),
    ]
    assert problems_of(flavor, headers={"X-A": ("~*(a",)}) == [
        ("headers.X-A", 0, "invalid regex: missing ): (a", 2),
    ]
    assert problems_of(flavor) == [("paths", None, "the route has nothing to match by", None)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("net.src.ip in 10.0.0.0/8 && net.dst.port == 2", []),
        ('http.path == "/"', [("expression", None, "Unknown LHS field: http.path", 0)]),
    ],
)
def test_expressions_of_routes_that_are_not_for_http_are_judged(expression: str, expected: list[Any]) -> None:
    assert problems_of("expressions", protocols=("tcp", "tls"), expression=expression) == expected


@pytest.mark.parametrize(
    ("host", "expected"), [("a", True), ("a:80", False), ("*.a:80", False), ("*.a", True)]
)
def test_the_scheme_divides_the_cache_where_it_stands_for_a_port(host: str, expected: bool) -> None:
    routes = [make_route(1, hosts=(host,)), make_route(2, paths=("/",))]
    router = make_router(routes, "traditional")

    one, two = (ask(router, "/", connection=make_connection(scheme)) for scheme in ("http", "https"))

    assert one is not None
    assert (one is two) is expected
