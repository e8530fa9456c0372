"""Templates over a request."""

from __future__ import annotations

import pytest

from dbless_gateway.pdk.expression import ExpressionError
from dbless_gateway.pdk.template import RequestScope, Template
from tests.support.plugin_context import FakeCaptures, FakeContext


def _context() -> FakeContext:
    ctx = FakeContext(
        target="/users/7?q1=20&flag&r=1&r=2",
        headers=[("Host", "api.test"), ("X-One", "1"), ("X-Two", "a"), ("x_two", "b")],
    )
    ctx.captures = FakeCaptures(("/users/7", "7"), {"user": "7", "missing": None})
    ctx.shared["answer"] = 42
    return ctx


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain # text", "plain # text"),
        ("", ""),
        ("a$(headers.host)b", "aapi.testb"),
        ("$(headers['x-one'])$(headers.x_one)$(headers['X-ONE'])", "111"),
        ("$(headers['x-two'][2])", "b"),
        ("$(query_params.q1)", "20"),
        ("$(query_params.r[1])", "1"),
        ("$(query_params.flag)", "true"),
        ("$(10 * uri_captures.user)", "70"),
        ("$(uri_captures[0]) $(uri_captures[1])", "/users/7 7"),
        ("$(uri_captures.missing or 'default')", "default"),
        ("[$(uri_captures.missing)$(false)]", "[]"),
        ("$(shared.answer)", "42"),
        ("$(type(headers))", "table"),
        ("$('$(literal)')", "$(literal)"),
        ("$((1 + 2) * 2)", "6"),
        ("cost: 5$ (net)", "cost: 5$ (net)"),
        ('$(\'a)\' .. "\\")")', 'a)")'),
    ],
)
def test_render(text: str, expected: str) -> None:
    assert Template(text).render(RequestScope(_context())) == expected


@pytest.mark.parametrize("text", ["$(", "$(1 +)", "$()", "$('a)", "$(a = 1)"])
def test_what_is_no_template(text: str) -> None:
    with pytest.raises(ExpressionError):
        Template(text)


def test_errors_are_raised_when_rendering() -> None:
    with pytest.raises(ExpressionError):
        Template("$(nothing.here)").render(RequestScope(_context()))


def test_a_source_keeps_its_first_values() -> None:
    ctx = _context()
    scope = RequestScope(ctx)
    Template("$(headers.x_one)").render(scope)
    ctx.upstream.headers.set("X-One", "changed")
    ctx.upstream.headers.set("X-Consumer-Username", "alice")

    assert Template("$(headers.x_one)").render(scope) == "1"
    assert Template("$(headers['x-one'] .. headers.x_consumer_username)").render(RequestScope(ctx)) == (
        "changedalice"
    )


def test_without_captures_there_are_none() -> None:
    assert Template("$(uri_captures.a or 'none')").render(RequestScope(FakeContext())) == "none"


def test_a_scope_lists_its_names() -> None:
    scope = RequestScope(FakeContext())

    assert {"headers", "shared", "type"} <= set(scope)
    assert len(scope) == len(list(scope))
