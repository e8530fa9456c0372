"""The key of a decision: two requests share one exactly where no route can tell them apart."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.compat.routing.tables import Headers, make_connection, make_route, make_router

FACTS: dict[str, tuple[Any, Any]] = {
    "method": (b"GET", b"PUT"),
    "host": (b"a.com", b"b.com"),
    "path": (b"/a", b"/b"),
    "x": ([("x", "1")], [("x", "1"), ("x", "2")]),
    "y": ([], [("y", "1")]),
    "scheme": ("http", "https"),
    "query": (None, b"q=1"),
}
TABLES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("traditional_compatible", {"paths": ("/",)}, {"path"}),
    ("traditional_compatible", {"hosts": ("a.com",)}, {"host", "path"}),
    ("traditional_compatible", {"methods": ("GET",)}, {"method", "path"}),
    ("traditional_compatible", {"methods": ("GET",), "hosts": ("a.com",)}, {"method", "host", "path"}),
    ("traditional_compatible", {"headers": {"x": ("1",)}}, {"method", "host", "path", "x"}),
    ("traditional_compatible", {"headers": {"x": ("1",), "y": ("1",)}}, {"method", "host", "path", "x", "y"}),
    ("traditional_compatible", {"snis": ("s.com",)}, {"method", "host", "path", "scheme"}),
    ("expressions", {"paths": ("/",)}, {"method", "host", "path", "scheme"}),
    (
        "expressions",
        {"expression": 'http.queries.q == "1" || http.headers.x == "1"', "priority": 1},
        {"method", "host", "path", "scheme", "x", "query"},
    ),
]


@pytest.mark.parametrize(("flavor", "fields", "told_apart"), TABLES)
def test_what_a_key_tells_apart(flavor: str, fields: dict[str, Any], told_apart: set[str]) -> None:
    router = make_router([make_route(1, **fields)], flavor)
    keys: dict[Any, set[tuple[int, ...]]] = {}
    for choice in product((0, 1), repeat=len(FACTS)):
        facts = {name: values[number] for (name, values), number in zip(FACTS.items(), choice, strict=True)}
        key = router._key(
            facts["method"],
            facts["host"],
            facts["path"],
            make_connection(facts["scheme"]),
            Headers([*facts["x"], *facts["y"]]),
            facts["query"],
        )
        seen = tuple(n for name, n in zip(FACTS, choice, strict=True) if name in told_apart)
        keys.setdefault(key, set()).add(seen)

    assert all(len(requests) == 1 for requests in keys.values())
    assert len(keys) == 2 ** len(told_apart)
