"""What every match of a regular expression must contain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.routing.anatomy import anatomy, words_of
from dbless_gateway.routing.regexes import Regex, compile_regex


@pytest.mark.parametrize(
    ("pattern", "prefix", "segments"),
    [
        (
            "/users/(?<id>[0-9]+)/profile/x",
            b"/users/",
            (
                b"users",
                b"profile",
            ),
        ),
        ("/a/b$", b"/a/b", (b"a", b"b")),
        ("/a/bc?", b"/a/b", (b"a",)),
        ("/a/?", b"/a", ()),
        ("/a{2}/b/c", b"/", (b"b",)),
        ("/a{x}/b/c", b"/", (b"b",)),
        (r"/a\.b/c", b"/a.b/c", (b"a.b",)),
        (r"/\d+/b/", b"/", (b"b",)),
        (r"/\Qa/b/\E", b"/", ()),
        (r"/\pL/b/", b"/", ()),
        (r"/\x41/b/", b"/", ()),
        ("/a|/b", b"", ()),
        ("/(a|/b/)/c/", b"/", (b"c",)),
        ("(?i)/a/b/", b"", ()),
        ("/a(?i)/b/", b"/a", ()),
        ("/[/]/b/]", b"/", (b"b",)),
        ("/[]/b/]", b"/", ()),
        ("/[[:alpha:]/b/]/c/d", b"/", (b"c",)),
        ("/(a(b))/c/d", b"/", (b"c",)),
        ("/(?:/b/)?/c/", b"/", (b"c",)),
        ("/ø?/b/c", b"/", (b"b",)),
        ("/./a/", b"/", (b"a",)),
        ("", b"", ()),
        ("/a(?i)/b|/c", b"", ()),
        (r"/a\pL|/c", b"", ()),
        ("/a(?P<n>/b/)?/c/", b"/a", (b"c",)),
    ],
)
def test_what_every_match_has(pattern: str, prefix: bytes, segments: tuple[bytes, ...]) -> None:
    parts = anatomy(pattern)

    assert (parts.prefix, parts.segments) == (prefix, segments)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"/\d+-[a-z]+-77$", (b"77",)),
        (r"/\d+-[a-z]+-77", ()),
        (r"/\d+-77$?", ()),
        (r"/(a-77$|b)", ()),
        (r"/\d+/page-7\.html", (b"page", b"7")),
        (r"/[a-z]+77-x", ()),
        (r"/[a-z]+-77-*", ()),
        (r"/\d+-77-*", ()),
        (r"/users/\d+/a-b/c", (b"a", b"b")),
        ("/ø7ø/x", (b"7",)),
        ("7-x-/", (b"x",)),
    ],
)
def test_words_are_whole_ones(pattern: str, words: tuple[bytes, ...]) -> None:
    assert anatomy(pattern).words == words


@given(st.text(alphabet="/ab.?*+|()[]^${1,}\\d:-", max_size=12), st.text(alphabet="/ab1.-", max_size=8))
def test_what_every_match_has_holds(pattern: str, tail: str) -> None:
    regex = compile_regex("/" + pattern, anchored=True, text=True)
    path = b"/" + tail.encode()
    if isinstance(regex, Regex) and regex.found_in(path):
        parts = anatomy("/" + pattern)
        assert path.startswith(parts.prefix)
        assert set(parts.segments) <= set(path.split(b"/"))
        assert set(parts.words) <= set(words_of(path))
