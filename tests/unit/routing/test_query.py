"""Query arguments."""

from __future__ import annotations

import pytest

from dbless_gateway.routing.query import MAX_ARGUMENTS, query_values


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (None, []),
        (b"", []),
        (b"a", [b""]),
        (b"a=", [b""]),
        (b"a=1&b=2&a=3", [b"1", b"3"]),
        (b"a=1=2", [b"1=2"]),
        (b"%61=x+%79%", [b"x y%"]),
        (b"b=1&=2&&", []),
        (b"A=1", []),
    ],
)
def test_values(query: bytes | None, expected: list[bytes]) -> None:
    assert query_values(query, b"a") == expected


def test_only_so_many_arguments_count() -> None:
    query = b"x=1&" * MAX_ARGUMENTS

    assert query_values(query + b"a=1", b"a") == []
    assert query_values(query[4:] + b"a=1", b"a") == [b"1"]
