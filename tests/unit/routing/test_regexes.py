"""Regular expressions of routes and sets of them."""

from __future__ import annotations

import pytest

from dbless_gateway.routing.regexes import (
    Regex,
    RegexError,
    RegexSet,
    compile_regex,
)


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
    assert not text.found_in(b"/\xff")
    assert raw.found_in(b"/\xff")


def test_a_set_finds_all() -> None:
    patterns = RegexSet(text=True)
    for pattern in ("^/a", r"^/\d", "b$"):
        regex = compile_regex(pattern, anchored=False, text=True)
        assert isinstance(regex, Regex)
        patterns.add(regex)
    patterns.compile()

    assert sorted(patterns.matches(b"/ab") or ()) == [0, 2]
    assert patterns.matches(b"/c") is None


def test_a_catastrophic_pattern_is_harmless() -> None:
    regex = compile_regex("/(a+)+$", anchored=True, text=True)

    assert isinstance(regex, Regex)
    assert not regex.found_in(b"/" + b"a" * 100_000 + b"b")
