"""Why a route wins, and why the others do not."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.config.entities import Route
from dbless_gateway.routing.explain import Explanation, explain
from dbless_gateway.routing.paths import normalize
from dbless_gateway.routing.router import RouterEntry
from tests.compat.routing.tables import Headers, address, make_connection, make_route, make_service

C, T, E = "traditional_compatible", "traditional", "expressions"


def ask_why(
    routes: list[Route], path: str = "/a", flavor: str = C, *, enabled: bool = True, **facts: Any
) -> Explanation[str]:
    """Explain a request for host ``h.test``."""
    service = make_service(enabled=enabled)
    normal = normalize(path.encode())
    assert normal is not None
    return explain(
        [RouterEntry(route, service, route.name or "") for route in routes],
        flavor,
        facts.get("method", "GET").encode(),
        facts.get("host", "h.test").encode(),
        normal,
        facts.get("connection") or make_connection(),
        Headers(facts.get("headers")),
        None,
    )


LOST: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    (C, {"paths": ("/a",), "hosts": ("h.test",)}, {"paths": ("/a",)}, "kinds", "attributes: 1, the winner 2"),
    (C, {"hosts": ("h.test",)}, {"hosts": ("*.test",)}, "plain_hosts", "without a wildcard"),
    (
        C,
        {"headers": {"x": ("1",), "y": ("1",)}},
        {"headers": {"x": ("1",)}},
        "headers",
        "headers: 1, the winner 2",
    ),
    (C, {"paths": ("~/a",)}, {"paths": ("/a",)}, "regex_path", "before prefix"),
    (
        C,
        {"paths": ("~/a",), "regex_priority": 2},
        {"paths": ("~/a",), "regex_priority": -1},
        "regex_priority",
        "is -1, the winner's 2",
    ),
    (C, {"paths": ("/a",)}, {"paths": ("/",)}, "path_length", "1 bytes, the winner's 2"),
    (C, {"paths": ("/a",)}, {"paths": ("/a",)}, "id", "greater id"),
    (E, {"expression": 'http.path ^= "/"', "priority": 0}, {"paths": ("/a",)}, "expression", "classic"),
    (
        E,
        {"expression": 'http.path ^= "/"', "priority": 2},
        {"expression": 'http.path == "/a"', "priority": 1},
        "priority",
        "is 1, the winner's 2",
    ),
    (T, {"hosts": ("h.test",)}, {"paths": ("/a",)}, "category", "host go before uri"),
    (T, {"hosts": ("h.test",)}, {"hosts": ("h.test", "x.*")}, "sub_weight", "plain hosts"),
    (T, {"paths": ("/a",), "created_at": 1}, {"paths": ("/a",), "created_at": 2}, "created_at", "older"),
    (T, {"paths": ("/a",)}, {"paths": ("/a",)}, "order", "later in the file"),
    (T, {"hosts": ("h.test",), "paths": ("/",)}, {"hosts": ("h.*",), "paths": ("/a",)}, "reduced", "list"),
]


@pytest.mark.parametrize(("flavor", "winner", "loser", "rule", "reason"), LOST)
def test_the_first_rule_that_lost(
    flavor: str, winner: dict[str, Any], loser: dict[str, Any], rule: str, reason: str
) -> None:
    # Ids and the order of the file speak for the loser, but where they are what is tested.
    ids = (2, 1) if rule in ("id", "order") else (1, 2)
    routes = [make_route(ids[0], **winner), make_route(ids[1], **loser)]
    if rule != "order":
        routes.reverse()

    why = ask_why(
        routes,
        flavor=flavor,
        headers=[("x", "1"), ("y", "1")],
    )

    assert why.winner is not None
    assert why.winner.entry.route.id == make_route(ids[0]).id
    assert [one.rule for one in why.runners_up] == [rule]
    assert reason in why.runners_up[0].reason


MISSED: list[tuple[str, dict[str, Any], str, str]] = [
    (C, {"methods": ("POST", "PUT")}, "methods", "the method is GET, it takes POST, PUT"),
    (C, {"hosts": ("x.test",), "paths": ("/b",)}, "hosts", "the host is h.test, it takes x.test"),
    (C, {"hosts": ("h.test:81",)}, "hosts", "the host is h.test, it takes h.test:81"),
    (C, {"paths": ("/b", "~/c")}, "paths", "the path is /a, it takes /b, ~/c"),
    (C, {"paths": ("/b", "/a"), "methods": ("PUT",)}, "methods", "the method is GET, it takes PUT"),
    (C, {"headers": {"X_A": ("1", "2")}}, "headers.x-a", "the header x-a is not there, it takes 1, 2"),
    (C, {"headers": {"x": ("9",)}}, "headers.x", "the header x is 1, it takes 9"),
    (C, {"protocols": ("tcp",)}, "protocols", "it is a route for streams"),
    (C, {"paths": ("~/(?=a)",)}, "paths", "invalid regex: look-around is not supported: (?="),
    (E, {"paths": ("/a",), "sources": (address("10.0.0.0/8"),)}, "sources", "takes 10.0.0.0/8:*"),
    (E, {"paths": ("/a",), "destinations": (address(port=1),)}, "destinations", "127.0.0.1:80, it takes *:1"),
    (E, {"paths": ("/a",), "protocols": ("https",), "snis": ("s",)}, "snis", ""),
    (E, {"paths": ("/a",), "protocols": ("grpcs",)}, "protocols", "the protocol is http, it takes grpcs"),
    (E, {"expression": 'http.path == "/"', "priority": 0}, "expression", "the expression does not hold"),
]


@pytest.mark.parametrize(("flavor", "fields", "attribute", "reason"), MISSED)
def test_the_first_attribute_that_did_not_match(
    flavor: str, fields: dict[str, Any], attribute: str, reason: str
) -> None:
    tls = make_connection("https", 443, None) if attribute == "snis" else None

    why = ask_why([make_route(1, **fields)], flavor=flavor, headers=[("x", "1")], connection=tls)

    assert why.winner is None
    assert [miss.attribute for miss in why.misses] == [attribute]
    assert reason in why.misses[0].reason


def test_misses_keep_the_order_of_the_file() -> None:
    routes = [make_route(1, paths=("/b",)), make_route(2, protocols=("tcp",)), make_route(3, paths=("/c",))]

    assert [miss.entry.value for miss in ask_why(routes).misses] == ["R1", "R2", "R3"]


def test_a_disabled_service() -> None:
    why = ask_why([make_route(1, paths=("/a",))], enabled=False)

    assert [miss.attribute for miss in why.misses] == ["service"]


def test_the_winner_tells_its_path() -> None:
    why = ask_why([make_route(1, paths=("/", "/a", r"~/a(?<x>\d)?"))])

    assert why.winner is not None
    assert why.winner.path == r"~/a(?<x>\d)?"


def test_a_path_that_is_no_text() -> None:
    why = ask_why([make_route(1, paths=("/",))], "/%99")

    assert why.winner is None
    assert "UTF-8" in why.misses[0].reason


def test_a_route_that_matches_and_is_never_met() -> None:
    """Over plain http the SNI counts as matched, yet the walk starts at the category with hosts alone."""
    routes = [make_route(1, hosts=("h.test",), snis=("s",)), make_route(2, hosts=("x.test", "h.*"))]

    why = ask_why(routes, flavor=T)

    assert why.winner is not None
    assert why.winner.entry.value == "R2"
    assert [(one.entry.value, one.rule) for one in why.runners_up] == [("R1", "start")]
