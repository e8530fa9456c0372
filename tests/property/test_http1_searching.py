"""The compiled search in header blocks finds what the search in a folded copy finds, whatever the bytes are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.http1.headers import FOLD, Headers
from tests.support.compiled import built

compiled: Any = built("dbless_gateway.http1._searching")

NAMES = st.sampled_from(["X-A", "x_a", "X-A-B", "Server", "X-A1", "RateLimit-Limit"])
VALUES = st.text("a ,:\xe4\r\n\0\u20ac", max_size=8)
LINES = st.lists(
    st.tuples(NAMES, st.text("xA-_:\t", max_size=6)).map(lambda pair: f"\r\n{pair[0]}: {pair[1]}".encode()),
    max_size=6,
)
NEEDLES = st.one_of(
    NAMES.map(lambda name: b"\r\n" + name.encode().translate(FOLD) + b":"), st.binary(min_size=3, max_size=5)
)


@given(LINES.map(b"".join) | st.binary(max_size=40), NEEDLES, st.integers(-2, 60))
def test_lines(block: bytes, needle: bytes, start: int) -> None:
    needle = b"\r" + needle[1:].translate(FOLD)
    wanted = block.translate(FOLD).find(needle, start) if start >= 0 else -1
    assert compiled.find_line(block, needle, start) == wanted


@given(LINES.map(b"".join) | st.binary(max_size=40), NEEDLES)
def test_values(block: bytes, needle: bytes) -> None:
    needle = b"\r" + needle[1:].translate(FOLD)
    folded = block.translate(FOLD)
    wanted, at = [], folded.find(needle)
    while at >= 0:
        value, line_break, _ = block[at + len(needle) :].partition(b"\r\n")
        wanted.append(value.strip(b" \t"))
        at = folded.find(needle, at + len(needle) + len(value)) if line_break else -1

    assert compiled.all_values(block, needle) == wanted
    assert compiled.first_value(block, needle) == (wanted[0] if wanted else None)


@given(LINES.map(b"".join) | st.binary(max_size=40), st.lists(NEEDLES, max_size=3))
def test_whether_there_is_any_of_some_lines(block: bytes, needles: list[bytes]) -> None:
    folded = tuple(b"\r" + needle[1:].translate(FOLD) for needle in needles)
    assert compiled.has_line(block, folded) == any(needle in block.translate(FOLD) for needle in folded)


@given(LINES.map(b"".join), st.lists(NAMES, min_size=1, max_size=3, unique_by=str.lower), st.data())
def test_lines_that_are_added(block: bytes, names: list[str], data: st.DataObject) -> None:
    values = tuple(data.draw(VALUES) for _ in names)
    needles = tuple(b"\r\n" + name.encode().translate(FOLD) + b":" for name in names)
    starts = tuple(f"\r\n{name}: ".encode() for name in names)
    added = compiled.with_lines(block, needles, starts, values)
    is_there = any(Headers(block).get(name.encode()) is not None for name in names)
    is_bad = any(set(value) & set("\r\n\0\u20ac") for value in values)
    if is_there or is_bad:
        assert added is None
    else:
        lines = (f"\r\n{name}: {value}" for name, value in zip(names, values, strict=True))
        assert added == block + "".join(lines).encode("latin-1")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("find_line", (b"", "", 0)),
        ("first_value", (b"",)),
        ("first_value", ("", b"")),
        ("all_values", (b"", None)),
        ("has_line", (b"", b"\r\na:")),
        ("has_line", (b"", ("\r\na:",))),
        ("with_lines", (b"", (), ())),
    ],
)
def test_what_is_no_block_and_no_needle_is_refused(name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        getattr(compiled, name)(*arguments)
