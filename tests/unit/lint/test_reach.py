"""Routes that can never match, and ties: each report with a witness that proves it."""

from __future__ import annotations

import pytest

from dbless_gateway.lint.reach import AMBIGUOUS, UNREACHABLE
from dbless_gateway.lint.witness import MAX_CASES
from tests.support.findings import findings

# name, routes, (path of the report, a part of the message)
UNREACHABLE_ROUTES = [
    (
        "a regex for everything ranks above every prefix",
        "[{name: all, paths: ['~/.*']}, {name: users, paths: [/users/]}]",
        ("routes[1]", '`GET http://witness.test/users/`, for one, goes to route "all"'),
    ),
    (
        "a literal regex",
        "[{name: api, paths: [~/api]}, {name: v1, paths: [/api/v1/]}]",
        ("routes[1]", 'route "api"'),
    ),
    (
        "the same path, methods within methods",
        "[{name: a, paths: [~/a], methods: [GET, POST]}, {name: b, paths: [/a/], methods: [GET]}]",
        ("routes[1]", 'route "a"'),
    ),
    (
        "a wildcard host and a regex",
        "[{name: a, hosts: ['*.x.org'], paths: [~/]}, {name: b, hosts: ['*.y.x.org'], paths: [/b/]}]",
        ("routes[1]", "GET http://witness.y.x.org/b/"),
    ),
    (
        "headers within headers",
        "[{name: a, headers: {v: [one, TWO]}, paths: [~/a]}, {name: b, headers: {V: [two]}, paths: [/a/]}]",
        ("routes[1]", "v: two"),
    ),
    (
        "one path of two",
        "[{name: a, paths: [~/a]}, {name: b, paths: [/a/b/, /c/]}]",
        ("routes[1].paths[0]", "this path can never match"),
    ),
    (
        "two routes share the cover",
        "[{name: a, paths: [~/x], methods: [GET]}, {name: b, paths: [~/x], methods: [POST]},"
        " {name: c, paths: [/x/], methods: [GET, POST]}]",
        ("routes[2]", 'route "a"'),
    ),
    (
        "a regex priority",
        "[{name: a, paths: ['~/u/'], regex_priority: 2}, {name: b, paths: ['~/u/\\d+$'], regex_priority: 1}]",
        ("routes[1]", "/u/1"),
    ),
]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [row[1:] for row in UNREACHABLE_ROUTES],
    ids=[row[0] for row in UNREACHABLE_ROUTES],
)
def test_unreachable(routes: str, expected: tuple[str, str]) -> None:
    (found,) = findings(f"routes: {routes}", UNREACHABLE)

    assert found.path == expected[0]
    assert expected[1] in found.message
    assert "line 2" in str(found.suggestion)


REACHABLE_ROUTES = [
    ("longer prefix wins", "[{name: a, paths: [/a/]}, {name: b, paths: [/a/b/]}]"),
    ("more attributes win", "[{name: a, paths: ['~/.*']}, {name: b, paths: [/a/], methods: [GET]}]"),
    ("a regex that ends", "[{name: a, paths: ['~/a$']}, {name: b, paths: [/a/]}]"),
    ("a regex that asks for more", "[{name: a, paths: ['~/a/\\d+']}, {name: b, paths: [/a/]}]"),
    (
        "another method",
        "[{name: a, paths: [~/a], methods: [PUT]}, {name: b, paths: [/a/], methods: [GET, PUT]}]",
    ),
    ("another host", "[{name: a, paths: [~/a], hosts: [a.org]}, {name: b, paths: [/a/], hosts: [b.org]}]"),
    ("a port", "[{name: a, paths: [~/a], hosts: ['a.org:81']}, {name: b, paths: [/a/], hosts: [a.org]}]"),
    ("https alone", "[{name: a, paths: [~/a], protocols: [https]}, {name: b, paths: [/a/]}]"),
    ("tcp", "[{name: a, protocols: [tcp], sources: [{ip: 10.0.0.1}]}, {name: b, paths: [/a/]}]"),
    (
        "case of a header regex",
        "[{name: a, paths: [~/a], headers: {v: ['~*x']}}, {name: b, paths: [/a/], headers: {v: [x]}}]",
    ),
]


@pytest.mark.parametrize(
    "routes", [row[1] for row in REACHABLE_ROUTES], ids=[row[0] for row in REACHABLE_ROUTES]
)
def test_reachable(routes: str) -> None:
    assert findings(f"routes: {routes}", UNREACHABLE) == []


def test_routes_of_a_disabled_service_take_nothing() -> None:
    text = """
services:
  - {name: idle, host: h, enabled: false, routes: [{name: all, paths: ['~/.*']}]}
  - {name: busy, host: h, routes: [{name: users, paths: [/users/]}]}
"""
    assert findings(text, UNREACHABLE) == []


def test_a_route_of_very_many_cases_is_left_alone() -> None:
    hosts = ", ".join(f"h{number}.org" for number in range(MAX_CASES))
    text = "routes: [{name: all, paths: [~/], hosts: [%s]}, {name: b, paths: [/b/], hosts: [%s]}]"

    assert len(findings(text % (hosts, hosts), UNREACHABLE)) == 1
    assert findings(text % (f"{hosts}, x.org", f"{hosts}, x.org"), UNREACHABLE) == []


def test_identical_routes_in_the_traditional_flavour() -> None:
    routes = "routes: [{name: a, paths: [/a/], methods: [GET]}, {name: b, paths: [/a/], methods: [GET]}]"
    (found,) = findings(routes, UNREACHABLE, flavor="traditional")

    assert "can never match" in found.message
    assert findings(routes, AMBIGUOUS, flavor="traditional") == []


def test_expressions_are_left_alone() -> None:
    routes = """routes:
  - {name: all, expression: http.path ^= "/", priority: 9}
  - {name: classic, paths: [/a/]}"""
    assert findings(routes, UNREACHABLE, flavor="expressions") == []
    assert findings(routes, AMBIGUOUS, flavor="expressions") == []


TIES = [
    (
        "hosts in common",
        "[{name: a, hosts: [x.org, y.org], paths: [/a/]}, {name: b, hosts: [y.org, z.org], paths: [/a/]}]",
    ),
    ("wildcards within wildcards", "[{name: a, hosts: ['*.x.org']}, {name: b, hosts: ['*.y.x.org']}]"),
    ("two regexes", "[{name: a, paths: ['~/u/\\d+']}, {name: b, paths: ['~/u/[0-9a-f]+']}]"),
]


@pytest.mark.parametrize("routes", [row[1] for row in TIES], ids=[row[0] for row in TIES])
def test_ambiguous_or_unreachable(routes: str) -> None:
    """Ids decide who loses; a loser that is covered completely is told so."""
    found = findings(f"routes: {routes}", AMBIGUOUS) + findings(f"routes: {routes}", UNREACHABLE)

    assert len(found) <= 1


def test_ambiguous() -> None:
    routes = (
        "[{name: a, hosts: [x.org, y.org], paths: [/a/]}, {name: b, hosts: [y.org, z.org], paths: [/a/]}]"
    )
    (found,) = findings(f"routes: {routes}", AMBIGUOUS)

    assert "GET http://y.org/a/" in found.message
    assert "ids decide" in found.message
