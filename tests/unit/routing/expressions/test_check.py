"""Fields and types of expressions."""

from __future__ import annotations

import pytest

from dbless_gateway.routing.expressions.check import check
from dbless_gateway.routing.expressions.parser import parse
from dbless_gateway.routing.expressions.tree import ExpressionError

MISMATCH = "Type mismatch between the LHS and RHS values of predicate"
ORDERING = "Greater/GreaterOrEqual/Less/LessOrEqual operators only supports integer operands"
PREFIX = "Prefix/Postfix operators only supports string operands"
LOWER = "lower-case transformation function only supported with String type fields"
IN = "In/NotIn operators only supports IP in CIDR"
CONTAINS = "Contains operator only supports string operands"
REGEX = "Regex operators only supports string operands"
ILLFORMED = "illformed http.path.segments.* field"


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("http.pth == 1", "Unknown LHS field: http.pth", 0),
        ('http.headers. == ""', "Unknown LHS field: http.headers.", 0),
        ("http.path == 1", MISMATCH, 13),
        ('net.dst.port == "80"', MISMATCH, 16),
        ("net.src.ip == 1.1.1.1/8", MISMATCH, 14),
        ("lower(net.dst.port) == 80", LOWER, 6),
        ("net.src.ip in 1.1.1.1", IN, 14),
        ('http.path in "x"', IN, 13),
        ("net.dst.port ^= 8", PREFIX, 16),
        ("net.dst.port contains 8", CONTAINS, 22),
        ("net.dst.port ~ 8", REGEX, 15),
        ('http.path > "a"', ORDERING, 12),
        ("net.src.ip < 1.1.1.1", ORDERING, 13),
        ('http.path.segments.x == "a"', ILLFORMED, 0),
        ('http.path.segments.01 == "a"', ILLFORMED, 0),
        ('http.path == "/" && http.path.segments.1_ == "a"', ILLFORMED, 20),
        ('!(http.path == "/" || http.no == "/")', "Unknown LHS field: http.no", 22),
    ],
)
def test_mistakes(text: str, message: str, offset: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        check(parse(text), http=True)

    assert (caught.value.message, caught.value.offset) == (message, offset)


@pytest.mark.parametrize(
    ("text", "http", "stream"),
    [
        ('http.path ^= "/"', True, False),
        ('any(http.headers.x) != "a"', True, False),
        ('http.path.segments.0_2 == "a"', True, False),
        ("http.path.segments.len >= 2", True, False),
        ('tls.sni == "a"', True, True),
        ("net.src.ip not in ::/0", True, True),
        ("net.port == 1 && net.src.port < 5", True, True),
        ('net.protocol == "tcp"', True, True),
    ],
)
def test_subsystems(text: str, http: bool, stream: bool) -> None:
    for flag, expected in ((True, http), (False, stream)):
        try:
            check(parse(text), http=flag)
            found = True
        except ExpressionError:
            found = False

        assert found is expected
