"""Several headers set together are the same headers set one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.http1.headers import Headers

names = st.sampled_from(["X-A", "x-a", "X_A", "X-B", "Server", "Date", "X-Kong-Long-Name"])
values = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=8)
blocks = st.lists(st.tuples(names, values), max_size=4)
groups = st.lists(st.tuples(names, values), min_size=1, max_size=6)


def block_of(lines: list[tuple[str, str]]) -> bytes:
    return "".join(f"\r\n{name}: {value}" for name, value in lines).encode("latin-1")


@given(blocks, groups)
def test_together_is_one_after_the_other(lines: list[tuple[str, str]], group: list[tuple[str, str]]) -> None:
    together, singly = Headers(block_of(lines)), Headers(block_of(lines))

    together.set_together(tuple(name for name, _ in group), tuple(value for _, value in group))
    for name, value in group:
        singly.set(name.encode(), value.encode("latin-1"))

    assert together.block == singly.block
    for stored, _ in singly.items():
        assert together.get_all(stored) == singly.get_all(stored)


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\rb", "a\0b"])
def test_value_that_would_split_the_message_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        Headers(b"").set_together(("X-Fine", "X-Bad"), ("1", value))


def test_percent_sign_in_a_name_is_a_percent_sign() -> None:
    headers = Headers(b"")
    headers.set_together(("X-100%",), ("a",))
    assert headers.block == b"\r\nX-100%: a"
