"""What of a response is kept, and its form."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.pdk.cached_response import FORMAT_VERSION, decode_entry, encode_entry
from dbless_gateway.pdk.reply import Reply

NAMES = st.text("abcXYZ-", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f\xa0\x85"))


@given(
    st.integers(100, 999),
    st.lists(st.tuples(NAMES, VALUES), max_size=5),
    st.binary(max_size=50),
    st.floats(0, 1e11),
    st.floats(0, 1e9),
)
def test_an_entry_comes_back_as_it_was(
    status: int, headers: list[tuple[str, str]], body: bytes, stored_at: float, ttl_s: float
) -> None:
    entry = decode_entry(encode_entry(status, headers, body, stored_at, ttl_s))

    assert entry.reply == Reply(status, body, tuple(headers), proxied=True)
    assert (entry.stored_at, entry.ttl_s, entry.version) == (stored_at, ttl_s, FORMAT_VERSION)


def test_what_is_of_one_connection_or_request_is_left_out() -> None:
    dropped = ["Connection", "TE", "Upgrade", "Content-Length", "Age", "X-Cache-Key", "RateLimit-Remaining"]
    headers = [("X-A", "1"), *((name, "x") for name in dropped), ("Set-Cookie", "b")]

    entry = decode_entry(encode_entry(200, headers, b"", 1.0, 2.0))

    assert entry.reply.headers == (("X-A", "1"), ("Set-Cookie", "b"))


def test_of_another_version_nothing_else_is_read() -> None:
    assert decode_entry(b"\7").version == 7
