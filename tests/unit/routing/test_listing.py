"""The table of routes: its order is the router's own, for every host."""

from __future__ import annotations

import pytest

from dbless_gateway.routing.listing import Listing
from dbless_gateway.routing.router import RouterEntry
from tests.compat.routing.tables import make_route, make_service

FLAVORS = ("traditional_compatible", "traditional")


def entries() -> list[RouterEntry[None]]:
    routes = [
        make_route(1, paths=("/a",)),
        make_route(2, hosts=("x.test",)),
        make_route(3, hosts=("x.test", "y.test:81"), paths=("/a/long", "/a")),
        make_route(4, hosts=("*.test",), paths=("~/(?<n>b)",)),
        make_route(5, hosts=("x.*",), methods=("GET",), paths=("/a",)),
        make_route(6, protocols=("tcp",), sources=()),
    ]
    off = make_service(id="00000000-0000-0000-0000-000000000099", enabled=False)
    listed = [RouterEntry(route, None, None) for route in routes]
    return [*listed, RouterEntry(make_route(7, hosts=("off.test",)), off, None)]


def rows(listing: Listing[None], host: str) -> list[tuple[str | None, str | None]]:
    return [(rule.entry.route.name, rule.path) for rule in listing.for_host(host).rules]


@pytest.mark.parametrize("flavor", FLAVORS)
def test_what_a_host_can_meet_in_order(flavor: str) -> None:
    listing = Listing(entries(), flavor)

    assert rows(listing, "x.test") == [
        ("R5", "/a"),
        ("R3", "/a/long"),
        ("R3", "/a"),
        ("R4", "~/(?<n>b)"),
        ("R2", None),
        ("R1", "/a"),
    ]
    assert rows(listing, "z.org") == [("R1", "/a")]


def test_ports_and_wildcards() -> None:
    listing = Listing(entries(), "traditional_compatible")

    assert [name for name, _ in rows(listing, "Y.test:81")] == ["R3", "R3", "R4", "R1"]
    assert [name for name, _ in rows(listing, "y.test")] == ["R4", "R1"]
    assert [name for name, _ in rows(listing, "*.test")] == ["R4", "R1"]


def test_every_host_of_the_file_and_the_rest() -> None:
    tables = list(Listing(entries(), "traditional_compatible").for_all_hosts())

    assert [table.host for table in tables] == ["x.*", "*.test", "x.test", "y.test:81", None]
    assert [rule.entry.route.name for rule in tables[-1].rules] == ["R1"]


def test_expressions_may_take_any_host() -> None:
    routes = [make_route(1, expression='http.host == "x.test"', priority=5), make_route(2, paths=("/a",))]
    listing = Listing([RouterEntry(route, None, None) for route in routes], "expressions")

    assert [name for name, _ in rows(listing, "y.test")] == ["R1", "R2"]
