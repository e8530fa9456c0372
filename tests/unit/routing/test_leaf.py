"""A crowd in one leaf, told apart by each kind of selector; of several that fit, the best wins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compat.routing.tables import make_connection, make_route, make_router, winner

SIZE = 30
TLS = make_connection("https", 443, "S7.test")

CROWDS: list[tuple[str, str, dict[str, Any]]] = [
    ('tls.sni == "S{0}.test"', "/", {"connection": TLS}),
    ('http.method == "M{0}"', "/", {"method": "M7"}),
    ('http.queries.q == "{0}"', "/", {"query": "q=7"}),
    ('any(lower(http.headers.x)) == "v{0}"', "/", {"headers": [("x", "w"), ("x", "V7")]}),
    ('http.path.segments.2 == "s{0}"', "/a/b/s7/c", {}),
    (r'http.path ~ r#"^/a/\d+-{0}$"#', "/a/12-7", {}),
    (r'http.path ~ r#"^/a/[a-z]+/x{0}/y"#', "/a/abc/x7/y", {}),
    (r'http.path ~ r#"/a/[a-z]+-x{0}-y"#', "/b/a/abc-x7-y", {}),
    ('http.method == "M{0}" || http.method == "N{0}"', "/", {"method": "N7"}),
]


@pytest.mark.parametrize(("template", "path", "facts"), CROWDS)
def test_each_kind_of_selector(template: str, path: str, facts: dict[str, Any]) -> None:
    routes = [make_route(number, expression=template.format(number), priority=1) for number in range(1, SIZE)]
    router = make_router(routes, "expressions")

    assert winner(router, path, **facts) == "R7"
    assert winner(router, "/nothing") is None


@pytest.mark.parametrize(("template", "path", "facts"), CROWDS)
@pytest.mark.parametrize("best", [7, 7 + SIZE, 7 + 2 * SIZE])
def test_the_best_of_a_bucket_wins(template: str, path: str, facts: dict[str, Any], best: int) -> None:
    numbers = [number + turn * SIZE for turn in range(3) for number in range(1, SIZE)]
    routes = [
        make_route(number, expression=template.format(number % SIZE), priority=2 if number == best else 1)
        for number in numbers
    ]

    assert winner(make_router(routes, "expressions"), path, **facts) == f"R{best}"


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_a_bucket_or_a_set_offers_is_still_checked(method: str) -> None:
    """What fits by path and header alone must not hide what fits altogether."""
    routes = [
        *(make_route(n, paths=(rf"~/a/\d+-{n}$",), methods=("GET",)) for n in range(1, SIZE)),
        *(make_route(n + SIZE, paths=("/a",), headers={"x": (f"v{n}",)}) for n in range(1, SIZE)),
        make_route(999, paths=("/",)),
    ]
    router = make_router(routes, "traditional_compatible")
    expected = {"GET": "R7", "PUT": "R999"}

    assert winner(router, "/a/1-7", method=method) == expected[method]
    assert winner(router, "/a/1-7", method=method, headers=[("x", "v7")]) == "R37"


def test_a_leaf_that_cannot_be_divided_is_tried_in_order() -> None:
    routes = [make_route(n, paths=("/a",), headers={"x": (f"~*^{n}$",)}) for n in range(1, SIZE)]

    assert winner(make_router(routes, "traditional_compatible"), "/a", headers=[("x", "7")]) == "R7"
