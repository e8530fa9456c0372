"""Headers that are encoded once."""

from __future__ import annotations

import pytest

from dbless_gateway.pdk.reply import EncodedHeaders, Reply


def test_encoded_headers_are_the_headers() -> None:
    pairs = (("Content-Type", "text/plain"), ("X-A", "é"), ("x-a", "2"))
    encoded = EncodedHeaders(pairs)

    assert Reply(200, b"", encoded) == Reply(200, b"", pairs)
    assert encoded.block == b"\r\nContent-Type: text/plain\r\nX-A: \xe9\r\nx-a: 2"
    assert EncodedHeaders.from_block(encoded.block) == encoded == pairs
    assert (EncodedHeaders(()), EncodedHeaders(()).block) == ((), b"")


@pytest.mark.parametrize(("name", "expected"), [("connection", True), ("X-Connection", False)])
def test_encoded_headers_know_whether_they_name_the_connection(name: str, expected: bool) -> None:
    assert EncodedHeaders([(name, "Upgrade")]).names_connection is expected


def test_a_value_that_would_break_the_message_is_refused() -> None:
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        EncodedHeaders([("X-A", "1\r\nX-B: 2")])
