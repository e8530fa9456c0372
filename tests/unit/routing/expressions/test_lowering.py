"""What is lowered, and that it decides as evaluating the same expression does."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import pytest

from dbless_gateway.routing.expressions.lowering import lower
from dbless_gateway.routing.expressions.parser import parse
from tests.compat.routing.tables import ask, make_route, make_router

TERMS = (
    'http.host == "a.com"',
    'http.path ^= "/a"',
    'http.method == "GET"',
    '(http.method == "GET" || http.method == "PUT")',
    'any(lower(http.headers.x_a)) == "v"',
)
NEVER = (
    'http.host == "A.com"',
    'http.host == "a.com:80"',
    'http.host == ""',
    'http.host != "a.com"',
    'lower(http.host) == "a.com"',
    'http.path == "/a"',
    'lower(http.path) ^= "/a"',
    'any(http.headers.x_a) == "v"',
    'any(lower(http.headers.x_a)) == "V"',
    'any(lower(http.headers.host)) == "a.com"',
    '(http.method == "GET" || http.path ^= "/a")',
    '!(http.method == "GET")',
    'net.protocol == "http"',
)
# Always true here, and nothing that is lowered.
ANYTHING = 'http.path =^ ""'


@pytest.mark.parametrize("term", TERMS)
def test_what_classic_fields_can_say_is_lowered(term: str) -> None:
    assert lower(parse(term)) is not None


@pytest.mark.parametrize("term", NEVER)
def test_what_they_cannot_say_is_not(term: str) -> None:
    assert lower(parse(f'{term} && http.method == "GET"')) is None


@pytest.mark.parametrize("term", TERMS[:2])
def test_the_index_promises_one_host_and_one_path(term: str) -> None:
    assert lower(parse(f"{term} && {term}")) is None


@pytest.mark.parametrize("text", [" && ".join(some) for n in (1, 2, 3) for some in combinations(TERMS, n)])
def test_both_ways_decide_alike(text: str) -> None:
    assert lower(parse(text)) is not None
    assert lower(parse(f"{text} && {ANYTHING}")) is None
    lowered = make_router([make_route(1, expression=text, priority=0)], "expressions")
    evaluated = make_router([make_route(1, expression=f"{text} && {ANYTHING}", priority=0)], "expressions")

    for host, path, method, value in product(
        ("a.com", "A.com", "a.com:80", "b.com", ""), ("/a/b", "/b"), ("GET", "PUT", "HEAD"), ("V", "w")
    ):
        facts: dict[str, Any] = {"host": host, "method": method, "headers": [("x-a", "u"), ("x-a", value)]}
        one, other = ask(lowered, path, **facts), ask(evaluated, path, **facts)
        assert (one is None) is (other is None), facts
        if one is not None and other is not None:
            assert (one.prefix, one.upstream_path) == (other.prefix, other.upstream_path)
