"""Regular expressions of routes: errors, and what is known of every match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.routing.regexes import (
    Regex,
    RegexError,
    RegexSet,
    compile_regex,
    literal_prefix,
    whole_segments,
)


@pytest.mark.parametrize(
    ("pattern", "prefix", "segments"),
    [
        ("/users/(?<id>[0-9]+)/profile/x", b"/users/", [b"users", b"profile"]),
        ("/a/b$", b"/a/b", [b"a"]),
        ("/a/bc?", b"/a/b", [b"a"]),
        ("/a/?", b"/a", []),
        ("/a{2}/b/c", b"/", [b"b"]),
        ("/a{x}/b/c", b"/", [b"b"]),
        (r"/a\.b/c", b"/a.b/c", [b"a.b"]),
        (r"/\d+/b/", b"/", [b"b"]),
        (r"/\Qa/b/\E", b"/", []),
        (r"/\pL/b/", b"/", []),
        (r"/\x41/b/", b"/", []),
        ("/a|/b", b"", []),
        ("/(a|/b/)/c/", b"/", [b"c"]),
        ("(?i)/a/b/", b"", []),
        ("/a(?i)/b/", b"/a", []),
        ("/[/]/b/]", b"/", [b"b"]),
        ("/[]/b/]", b"/", []),
        ("/[[:alpha:]/b/]/c/d", b"/", [b"c"]),
        ("/(a(b))/c/d", b"/", [b"c"]),
        ("/(?:/b/)?/c/", b"/", [b"c"]),
        ("/ø?/b/c", b"/", [b"b"]),
        ("/./a/", b"/", [b"a"]),
        ("", b"", []),
    ],
)
def test_what_every_match_has(pattern: str, prefix: bytes, segments: list[bytes]) -> None:
    assert literal_prefix(pattern) == prefix
    assert whole_segments(pattern) == segments


@given(st.text(alphabet="/ab.?*+|()[]^{1,}\\d:", max_size=12), st.text(alphabet="/ab1.", max_size=8))
def test_what_every_match_has_holds(pattern: str, tail: str) -> None:
    regex = compile_regex("/" + pattern, anchored=True, text=True)
    path = b"/" + tail.encode()
    if isinstance(regex, Regex) and regex.search(path) is not None:
        assert path.startswith(literal_prefix("/" + pattern))
        assert set(whole_segments("/" + pattern)) <= set(path.split(b"/"))


@pytest.mark.parametrize(
    ("pattern", "message", "offset", "hint"),
    [
        ("/a(?=b)", "look-around is not supported: (?=", 2, "second route"),
        ("/(?<!b)c", "look-around is not supported: (?<!", 1, "second route"),
        (r"/(a)\1", r"back-references are not supported: \1", 4, "write the repeated"),
        (r"/(?P<n>a)(?P=n)", "back-references are not supported: (?P=", 9, "write the repeated"),
        ("/a(b", "missing )", None, None),
        ("/a**", "bad repetition operator: **", 2, None),
        ("/[b-a]", "invalid character class range: b-a", 2, None),
        ("/\ud800", "not valid Unicode", None, None),
    ],
)
def test_errors(pattern: str, message: str, offset: int | None, hint: str | None) -> None:
    error = compile_regex(pattern, anchored=True, text=True)

    assert isinstance(error, RegexError)
    assert message in error.message
    assert error.offset == offset
    assert (hint is None) is (error.suggestion is None)
    assert (hint or "") in (error.suggestion or "")


def test_the_other_way_to_write_a_named_group() -> None:
    regex = compile_regex(r"/(?<id>\d)(\(?<x)?", anchored=True, text=True)

    assert isinstance(regex, Regex)
    assert regex.group_names == {"id": 1}


def test_bytes_that_are_no_text() -> None:
    text = compile_regex("/.", anchored=True, text=True)
    raw = compile_regex("/.", anchored=True, text=False)

    assert isinstance(text, Regex)
    assert isinstance(raw, Regex)
    assert text.search(b"/\xff") is None
    assert raw.search(b"/\xff") is not None


def test_a_set_finds_all() -> None:
    patterns = RegexSet(text=True)
    for pattern in ("^/a", r"^/\d", "b$"):
        regex = compile_regex(pattern, anchored=False, text=True)
        assert isinstance(regex, Regex)
        patterns.add(regex)
    patterns.compile()

    assert sorted(patterns.matches(b"/ab")) == [0, 2]
    assert patterns.matches(b"/c") == []


def test_a_catastrophic_pattern_is_harmless() -> None:
    regex = compile_regex("/(a+)+$", anchored=True, text=True)

    assert isinstance(regex, Regex)
    assert regex.search(b"/" + b"a" * 100_000 + b"b") is None
