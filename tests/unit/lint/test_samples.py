"""Texts that simple regular expressions match."""

from __future__ import annotations

import re

import pytest

from dbless_gateway.lint.samples import literal_prefix, sample

SIMPLE = [
    "/users",
    r"/users/\d+$",
    r"/users/(?<id>[^/]+)/items",
    r"/v(1|2)/orders",
    r"/a\.b/[a-z0-9-]{3,8}/?",
    r"/x/(?:y/)*z",
    r"/\w+/[^a-z]x",
    r"/a{2}b*c+?d??",
    r"/[\d]/[-x]",
]
NOT_SIMPLE = [r"/(?i)a", r"/a(?=b)", r"/\p{L}", "/[[:alpha:]]", "/a**", "/(a", "/a)", "/[a", "(" * 2000]


@pytest.mark.parametrize("pattern", SIMPLE)
def test_sample_matches(pattern: str) -> None:
    text = sample(pattern)

    assert text is not None
    assert re.match(pattern.replace("(?<", "(?P<"), text), text


@pytest.mark.parametrize("pattern", NOT_SIMPLE)
def test_no_guess(pattern: str) -> None:
    assert sample(pattern) is None


def test_sample_is_bounded() -> None:
    assert sample("/" + "(a{999}){999}") is None


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/api", ("/api", True)),
        ("/api/.*", ("/api/", True)),
        ("/api/(.*)", ("/api/", True)),
        (r"/a\.b", ("/a.b", True)),
        ("/api$", ("/api", False)),
        ("/api/.*$", ("/api/", False)),
        (r"/users/\d+", ("/users/", False)),
        ("/ab?c", ("/a", False)),
        ("/ab*", ("/a", False)),
        (r"/a\.+", ("/a", False)),
        ("/a|/b", ("", False)),
        ("/x(a|b)", ("", False)),
    ],
)
def test_literal_prefix(pattern: str, expected: tuple[str, bool]) -> None:
    assert literal_prefix(pattern) == expected
