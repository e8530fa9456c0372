"""Kong's vectors for stream routes, for sources and, mirrored, for destinations."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.config.entities import AddressMatch, Route
from dbless_gateway.routing.request import Connection
from dbless_gateway.routing.router import RouterEntry
from dbless_gateway.routing.stream import StreamRouter, build_stream
from tests.compat.routing.tables import address, make_route, make_service

C, T, E = "traditional_compatible", "traditional", "expressions"
BOTH = (C, T)

SIDES: dict[str, tuple[AddressMatch, ...]] = {
    "R1": (address("127.0.0.1"), address("127.0.0.2")),
    "R2": (address(port=65001), address(port=65002)),
    "R3": (address("127.168.0.0/8"),),
    "R4": (address("127.0.0.1", 65001),),
    "R5": (address("127.0.0.2", 65300), address("127.168.0.0/16", 65301)),
}


def stream_route(number: int, **fields: Any) -> Route:
    return make_route(number, **{"protocols": ("tcp", "tls"), **fields})


def stream_router(routes: list[Route], flavor: str, *, enabled: bool = True) -> StreamRouter[str]:
    service = make_service(enabled=enabled)
    return build_stream([RouterEntry(route, service, route.name or "") for route in routes], flavor)


def connection(
    src: tuple[str, int] = ("10.0.0.1", 1), dst: tuple[str, int] = ("10.0.0.2", 2), sni: bytes | None = None
) -> Connection:
    scheme = b"tcp" if sni is None else b"tls"
    return Connection(scheme, dst[1], sni, *src, *dst)


@pytest.mark.parametrize("flavor", BOTH)
@pytest.mark.parametrize("side", ["sources", "destinations"])
@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (("127.0.0.1", 1), "R1"),
        (("127.0.0.3", 65001), "R2"),
        (("127.168.0.1", 1), "R3"),
        (("127.0.0.1", 65001), "R4"),
        (("127.168.10.1", 65301), "R5"),
        (("10.0.0.9", 1), None),
    ],
)
def test_addresses(flavor: str, side: str, end: tuple[str, int], expected: str | None) -> None:
    routes = [stream_route(int(name[1:]), **{side: elements}) for name, elements in SIDES.items()]
    conn = connection(src=end) if side == "sources" else connection(dst=end)

    # R3's network is all of 127.0.0.0/8, so it is there for what no other route takes.
    assert stream_router(routes, flavor).match(conn) == expected


@pytest.mark.parametrize("flavor", BOTH)
def test_a_server_name_goes_before_one_address(flavor: str) -> None:
    routes = [
        stream_route(1, snis=("w",)),
        stream_route(2, sources=(address("10.0.0.1"),)),
        stream_route(3, destinations=(address("10.0.0.2"),)),
    ]
    router = stream_router(routes, flavor)

    assert router.match(connection(sni=b"w")) == "R1"
    assert router.match(connection(sni=b"w", src=("10.9.9.9", 1))) == "R1"
    assert router.match(connection(sni=b"x", src=("10.9.9.9", 1))) == "R3"


@pytest.mark.parametrize("flavor", BOTH)
def test_two_addresses_go_before_a_server_name(flavor: str) -> None:
    routes = [
        stream_route(1, snis=("w",)),
        stream_route(2, sources=(address("10.0.0.1"),), destinations=(address("10.0.0.2"),)),
    ]

    assert stream_router(routes, flavor).match(connection(sni=b"w")) == "R2"


def test_without_tls_a_server_name_counts_as_matched() -> None:
    router = stream_router([stream_route(1, snis=("w",))], C)

    assert router.match(connection()) == "R1"
    assert router.match(connection(sni=b"x")) is None


def test_the_traditional_walk_starts_at_what_could_match() -> None:
    routes = [
        stream_route(1, snis=("w",), sources=(address("10.0.0.1"),)),
        stream_route(2, sources=(address("10.0.0.1"),)),
    ]

    assert stream_router(routes, T).match(connection()) == "R2"
    assert stream_router(routes, T).match(connection(sni=b"w")) == "R1"
    assert stream_router(routes, C).match(connection()) == "R1"


def test_ties() -> None:
    routes = [stream_route(number, sources=(address("10.0.0.1"),)) for number in (1, 3, 2)]

    assert stream_router(routes, C).match(connection()) == "R3"
    assert stream_router(routes, T).match(connection()) == "R1"


EXPRESSIONS = [
    ("net.src.ip in 10.0.0.0/8 && net.dst.port == 2", None, "R1"),
    ('tls.sni == "w"', b"w", "R1"),
    ('tls.sni == "w"', None, None),
    ('net.protocol == "udp"', None, None),
]


@pytest.mark.parametrize(("text", "sni", "expected"), EXPRESSIONS)
def test_expressions(text: str, sni: bytes | None, expected: str | None) -> None:
    router = stream_router([stream_route(1, expression=text, priority=0)], E)

    assert router.match(connection(sni=sni)) == expected


def test_expressions_go_before_classic_fields() -> None:
    routes = [
        stream_route(1, expression="net.src.port > 0", priority=0),
        stream_route(2, expression="net.src.port > 0", priority=1, protocols=("udp",)),
        stream_route(3, snis=("w",)),
    ]

    assert stream_router(routes, E).match(connection(sni=b"w")) == "R1"
    assert stream_router(routes[1:], E).match(connection(sni=b"w")) == "R3"


def test_a_field_of_requests_is_a_problem() -> None:
    router = stream_router([stream_route(1, expression='http.path == "/"', priority=0)], E)

    assert [(problem.message, problem.offset) for problem in router.problems] == [
        ("Unknown LHS field: http.path", 0)
    ]


def test_http_routes_and_disabled_services_are_left_out() -> None:
    assert stream_router([make_route(1, paths=("/",))], C).match(connection()) is None
    assert stream_router([stream_route(1, snis=("w",))], C, enabled=False).match(connection()) is None
