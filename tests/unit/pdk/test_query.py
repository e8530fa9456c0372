"""Query strings: order kept, names compared decoded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.pdk.query import encode_query, parse_query, without_argument


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        ("", []),
        ("a", [("a", True)]),
        ("a=", [("a", "")]),
        ("a=1&&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        ("api%6Bey=a+b%20c", [("apikey", "a b c")]),
        ("a=b=c", [("a", "b=c")]),
    ],
)
def test_parse(raw: str, pairs: list[tuple[str, str | bool]]) -> None:
    assert parse_query(raw) == pairs


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        (None, None),
        ("apikey=1", None),
        ("api%6Bey=1&b=2", "b=2"),
        ("z=valu%651&apikey&a=x+y&flag", "z=value1&a=x%20y&flag"),
    ],
)
def test_without_argument(raw: str | None, left: str | None) -> None:
    assert without_argument(raw, "apikey") == left


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=8) | st.just(True)), max_size=5))
def test_what_is_encoded_is_decoded(pairs: list[tuple[str, str | bool]]) -> None:
    assert parse_query(encode_query(pairs)) == pairs
