"""The grammar of expressions and where its errors point to."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.routing.expressions.parser import MAX_DEPTH, parse
from dbless_gateway.routing.expressions.tree import (
    Both,
    ExpressionError,
    Negation,
    Node,
    Predicate,
    Value,
)


def shape(node: Node) -> str:
    """Return the tree with every pair of parentheses written out."""
    if isinstance(node, Predicate):
        return node.field.name
    if isinstance(node, Negation):
        return f"!{shape(node.inner)}"
    sign = "&" if isinstance(node, Both) else "|"
    return f"({shape(node.left)}{sign}{shape(node.right)})"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a==1", "a"),
        ("a==1 && b==1 || c==1", "(a&(b|c))"),
        ("a==1 || b==1 && c==1", "((a|b)&c)"),
        ("a==1 || b==1 || c==1", "((a|b)|c)"),
        ("(a==1 && b==1) || c==1", "((a&b)|c)"),
        ("!(a==1) && ! ( b==1 || c==1 )", "(!a&!(b|c))"),
        ("((a==1))", "a"),
        ("\t\r\n a\n==\n1\n", "a"),
    ],
)
def test_precedence(text: str, expected: str) -> None:
    assert shape(parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a b"', "a b"),
        (r'"\"\\\n\r\t"', '"\\\n\r\t'),
        (r'r#"\d"+"#', r'\d"+'),
        ("0", 0),
        ("-12", -12),
        ("017", 15),
        ("0xfF", 255),
        ("-9223372036854775808", -(1 << 63)),
        ("10.0.0.1", ip_address("10.0.0.1")),
        ("10.0.0.0/8", ip_network("10.0.0.0/8")),
        ("10.0.0.1/8", ip_network("10.0.0.0/8")),
        ("::1", ip_address("::1")),
        ("fe80::/10", ip_network("fe80::/10")),
        ("::ffff:1.2.3.4", ip_address("::ffff:1.2.3.4")),
        ("abcd::1", ip_address("abcd::1")),
    ],
)
def test_values(text: str, expected: Value) -> None:
    node = parse(f"net.src.ip == {text}")

    assert isinstance(node, Predicate)
    assert node.value == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a not in 1.1.1.1/8", "not in"),
        ("a  not \n in 1.1.1.1/8", "not in"),
        ("a in 1.1.1.1/8", "in"),
        ('a contains "x"', "contains"),
        ('a=^"x"', "=^"),
        ('a^="x"', "^="),
        ("a>=1", ">="),
        ("a<1", "<"),
        ('a~"x"', "~"),
    ],
)
def test_operators(text: str, expected: str) -> None:
    node = parse(text)

    assert isinstance(node, Predicate)
    assert node.operator == expected


def test_functions() -> None:
    node = parse('any( lower(http.headers.x_a) ) == "v"')

    assert isinstance(node, Predicate)
    assert (node.field.name, node.field.functions) == ("http.headers.x_a", ("any", "lower"))


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("", "expected term", 0),
        ("a", "expected an operator", 1),
        ("a ==", "expected a value", 4),
        ("a = 1", "expected an operator", 2),
        ("a == 1 b", "expected && or ||", 7),
        ("a == 1 &&", "expected term", 9),
        ("(a == 1", "expected )", 7),
        ("!a == 1", "expected ( behind !", 1),
        ("upper(a) == 1", "unknown transformation function: upper", 0),
        ("lower(a == 1", "expected )", 8),
        ('a == "x', "expected a value", 5),
        (r'a == "x\d"', r"unknown escape \d", 7),
        ("a == 08", "not an octal number", 5),
        ("a == 9223372036854775808", "64 bits", 5),
        ("a == " + "9" * 5000, "64 bits", 5),
        ("a == 1.2.3.400", "not an address", 5),
        ("a in 1.2.3.4/40", "not an address", 5),
        ("(" * 5000, "nested too deeply", MAX_DEPTH + 1),
        ("any(" * 5000, "nested too deeply", 4 * MAX_DEPTH),
        ("_a == 1", "expected term", 0),
    ],
)
def test_errors(text: str, message: str, offset: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)

    assert message in caught.value.message
    assert caught.value.offset == offset


def test_a_long_chain_is_not_deep() -> None:
    parse(" || ".join(["a == 1"] * 20_000))


@given(st.text(alphabet='ab.()!&|=~<>^"\\r#0x1 /:incotansl', max_size=60))
def test_any_text_parses_or_has_an_error(text: str) -> None:
    found: ExpressionError | None = None
    try:
        parse(text)
    except ExpressionError as error:
        found = error

    assert found is None or 0 <= found.offset <= len(text)
