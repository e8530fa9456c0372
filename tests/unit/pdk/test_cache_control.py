"""Directives, freshness and media types."""

from __future__ import annotations

import pytest

from dbless_gateway.pdk.cache_control import (
    matches,
    parse_directives,
    parse_media_type,
    response_ttl_s,
    seconds,
)


def test_directives() -> None:
    directives = parse_directives(["No-Cache, max-age=60", ' private="x", , s-maxage=abc'])

    assert directives == {"no-cache": True, "max-age": 60.0, "private": "x", "s-maxage": "abc"}
    assert seconds(directives, "max-age") == 60
    assert seconds(directives, "s-maxage") is None
    assert seconds(directives, "no-cache") is None


@pytest.mark.parametrize(
    ("cache_control", "expires", "ttl_s"),
    [
        ("s-maxage=10, max-age=20", [], 10),
        ("max-age=20", ["Thu, 01 Jan 1970 00:10:00 GMT"], 20),
        ("max-age=-5", [], 0),
        ("", [], 0),
        ("", ["Thu, 01 Jan 1970 00:10:00 GMT"], 500),
        ("", ["Thu, 01 Jan 1970 00:10:00 GMT", "Thu, 01 Jan 1970 00:05:00 GMT"], 200),
        ("", ["Thu, 01 Jan 1970 00:00:10 GMT"], 0),
        ("", ["0"], 0),
    ],
)
def test_response_ttl(cache_control: str, expires: list[str], ttl_s: float) -> None:
    assert response_ttl_s(parse_directives([cache_control]), expires, 100.0) == ttl_s


@pytest.mark.parametrize(
    ("offered", "wanted", "expected"),
    [
        ("application/json", "application/json", True),
        ("Application/JSON", "application/json", True),
        ("application/json; charset=utf-8", "application/json", False),
        ("application/json", "application/json; charset=utf-8", False),
        ("application/json;Charset=utf-8", 'application/json; charset="utf-8"', True),
        ("application/json; charset=latin-1", "application/json; charset=utf-8", False),
        ("text/plain", "text/*", True),
        ("text/plain", "*/*", True),
        ("text/plain", "*", True),
        ("text/plain", "application/*", False),
    ],
)
def test_matches(offered: str, wanted: str, expected: bool) -> None:
    left, right = parse_media_type(offered), parse_media_type(wanted)
    assert left is not None
    assert right is not None

    assert matches(left, right) is expected


@pytest.mark.parametrize("text", ["", "json", "/", "a/", "a /b", "a/b; c", "a/b; =d", "a/b; c="])
def test_what_is_no_media_type(text: str) -> None:
    assert parse_media_type(text) is None
