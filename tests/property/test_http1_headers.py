"""Editing a block of header lines obeys the laws of a list of pairs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.http1.headers import Headers

NAMES = st.sampled_from([b"A", b"a", b"X-A", b"x_a", b"X-A-B", b"x-a-", b"B"])
VALUES = st.text("aA:-_ ,\tä", max_size=8).map(lambda text: text.encode("latin-1"))
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
EDITS = st.lists(st.tuples(st.sampled_from(["get", "add", "set", "remove"]), NAMES, VALUES), max_size=8)

Pair = tuple[bytes, bytes]


def fold(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")


def values(pairs: list[Pair], name: bytes) -> list[bytes]:
    return [value.strip(b" \t") for key, value in pairs if fold(key) == fold(name)]


def without(pairs: list[Pair], name: bytes) -> list[Pair]:
    return [pair for pair in pairs if fold(pair[0]) != fold(name)]


@given(PAIRS, EDITS)
def test_edits_are_those_of_a_list(pairs: list[Pair], edits: list[tuple[str, bytes, bytes]]) -> None:
    headers = Headers(b"".join(b"\r\n%b: %b" % pair for pair in pairs))
    for edit, name, value in edits:
        if edit == "get":
            assert headers.get_all(name) == values(pairs, name)
            assert headers.get(name) == next(iter(values(pairs, name)), None)
        elif edit == "add":
            headers.add(name, value)
            pairs = [*pairs, (name, value)]
        elif edit == "set":
            headers.set(name, value)
            pairs = [*without(pairs, name), (name, value)]
        else:
            headers.remove(name)
            pairs = without(pairs, name)
        assert headers.items() == [(key, item.strip(b" \t")) for key, item in pairs]
        assert headers.get_all(name) == Headers(headers.block).get_all(name)


@given(PAIRS, NAMES, st.binary(max_size=8), st.binary(max_size=8))
def test_no_edit_adds_a_line_that_was_not_asked_for(
    pairs: list[Pair], name: bytes, odd_name: bytes, odd_value: bytes
) -> None:
    headers = Headers(b"".join(b"\r\n%b: %b" % pair for pair in pairs))
    lines = headers.block.count(b"\r\n")
    for key, value in ((name, odd_value), (odd_name, b"x")):
        try:
            headers.add(key, value)
        except ValueError:
            continue
        lines += 1
    assert headers.block.count(b"\r\n") == lines
    assert b"\0" not in headers.block
    assert headers.block.count(b"\r") == headers.block.count(b"\n") == lines
