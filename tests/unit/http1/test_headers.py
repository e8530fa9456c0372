"""Blocks of header lines: look-ups and edits on the bytes themselves."""

from __future__ import annotations

import pytest

from dbless_gateway.http1.headers import Headers, TextHeaders

BLOCK = b"\r\nHost: a\r\nX-One: 1\r\nx_one:  two \r\nX-One-More: 3\r\nEmpty:\r\nX-One:\tlast"


def test_first_value() -> None:
    headers = Headers(BLOCK)
    assert headers.get(b"x-one") == b"1"
    assert headers.get(b"X_ONE") == b"1"
    assert headers.get(b"empty") == b""
    assert headers.get(b"one") is None
    assert headers.get(b"x-one-more") == b"3"


def test_all_values() -> None:
    assert Headers(BLOCK).get_all(b"x-one") == [b"1", b"two", b"last"]
    assert Headers(BLOCK).get_all(b"none") == []


def test_items_keep_spelling_and_order() -> None:
    assert Headers(BLOCK).items() == [
        (b"Host", b"a"),
        (b"X-One", b"1"),
        (b"x_one", b"two"),
        (b"X-One-More", b"3"),
        (b"Empty", b""),
        (b"X-One", b"last"),
    ]


def test_empty_block() -> None:
    headers = Headers(b"")
    assert (headers.get(b"a"), headers.get_all(b"a"), headers.items()) == (None, [], [])
    headers.remove(b"a")
    headers.add(b"A", b"1")
    assert headers.block == b"\r\nA: 1"


def test_values_are_not_names() -> None:
    """What looks like a header inside a value is none."""
    headers = Headers(b"\r\nA: b: c\r\nD: a: x")
    assert headers.get(b"b") is None
    headers.remove(b"b")
    assert headers.get_all(b"a") == [b"b: c"]


@pytest.mark.parametrize("looked_before", [True, False])
def test_edits(looked_before: bool) -> None:
    """The folded copy that look-ups are made in follows every edit."""
    headers = Headers(BLOCK)
    if looked_before:
        assert headers.get(b"x-nobody") is None
    headers.remove(b"X-ONE")
    assert headers.block == b"\r\nHost: a\r\nX-One-More: 3\r\nEmpty:"
    headers.add(b"X-One", b"5")
    assert headers.get(b"x-one") == b"5"
    headers.set(b"host", b"b")
    assert headers.block == b"\r\nX-One-More: 3\r\nEmpty:\r\nX-One: 5\r\nhost: b"
    assert headers.items() == [(b"X-One-More", b"3"), (b"Empty", b""), (b"X-One", b"5"), (b"host", b"b")]
    assert [headers.get(name) for name, _ in headers.items()] == [b"3", b"", b"5", b"b"]


@pytest.mark.parametrize("looked_before", [True, False])
def test_a_block_behind_a_block(looked_before: bool) -> None:
    headers = Headers(BLOCK)
    if looked_before:
        assert headers.get(b"x-late") is None
    headers.extend(b"\r\nX-Late: 1\r\nX_Later: 2")
    assert headers.block == BLOCK + b"\r\nX-Late: 1\r\nX_Later: 2"
    assert (headers.get(b"x-late"), headers.get(b"x-later")) == (b"1", b"2")


@pytest.mark.parametrize("bad", [b"a\rb", b"a\nb", b"a\0b", b"\r\nX: y"])
def test_no_edit_splits_the_message(bad: bytes) -> None:
    headers = Headers(BLOCK)
    with pytest.raises(ValueError, match="cannot contain"):
        headers.add(b"X", bad)
    with pytest.raises(ValueError, match="cannot contain"):
        headers.add(bad, b"x")
    assert headers.block == BLOCK


class TestText:
    """The same for plugins, in text."""

    def test_look_ups(self) -> None:
        headers = TextHeaders(Headers(b"\r\nX-A: \xe4\r\nx_a: 2"))
        assert headers.get("x-a") == "\u00e4"
        assert headers.get_all("X-A") == ["\u00e4", "2"]
        assert headers.get("none") is None
        assert headers.items() == [("X-A", "\u00e4"), ("x_a", "2")]

    def test_edits(self) -> None:
        headers = TextHeaders(Headers(b"\r\nX-A: 1\r\nX-B: 2"))
        headers.set("x-a", "\u00e4")
        headers.add("X-B", "\u20ac")
        headers.remove("X-C")
        assert headers.raw.block == b"\r\nX-B: 2\r\nx-a: \xe4\r\nX-B: ?"
        headers.remove("x-b")
        assert headers.items() == [("x-a", "\u00e4")]
