"""Several header lines put at once are the same lines put one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.http1.headers import Headers

names = st.sampled_from(["X-A", "x-a", "X_A", "X-B", "Server", "Date", "X-Kong-Long-Name"])
values = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=8)
blocks = st.lists(st.tuples(names, values), max_size=4)
puts = st.lists(st.tuples(names, values, st.booleans()), max_size=6)


def block_of(lines: list[tuple[str, str]]) -> bytes:
    return "".join(f"\r\n{name}: {value}" for name, value in lines).encode("latin-1")


@given(blocks, puts)
def test_put_is_set_and_add_in_order(lines: list[tuple[str, str]], put: list[tuple[str, str, bool]]) -> None:
    together, singly = Headers(block_of(lines)), Headers(block_of(lines))

    together.put(put)
    for name, value, replaces in put:
        (singly.set if replaces else singly.add)(name.encode(), value.encode("latin-1"))

    assert together.block == singly.block
    assert together.fold() == singly.fold()


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\rb", "a\0b"])
def test_value_that_would_split_the_message_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        Headers(b"").put([("X-Fine", "1", True), ("X-Bad", value, True)])
