"""Messages to bytes."""

from __future__ import annotations

import pytest

from dbless_gateway.http1.bodies import ChunkedBody
from dbless_gateway.http1.writing import STATUS_LINES, chunks, last_chunk


@pytest.mark.parametrize(
    ("status", "line"),
    [(200, b"HTTP/1.1 200 OK"), (404, b"HTTP/1.1 404 Not Found"), (599, b"HTTP/1.1 599 ")],
)
def test_status_lines(status: int, line: bytes) -> None:
    assert STATUS_LINES[status] == line


def test_empty_pieces_do_not_end_a_body() -> None:
    """A chunk of size zero would be the last one."""
    assert b"".join(chunks([b"", b"abc", b"", b"x" * 16])) == b"3\r\nabc\r\n10\r\n" + b"x" * 16 + b"\r\n"


@pytest.mark.parametrize("trailers", [b"", b"\r\nX-A: 1\r\nX-B: 2"])
def test_what_is_written_is_read(trailers: bytes) -> None:
    body = ChunkedBody()
    wire = b"".join(chunks([b"abc", b"def"])) + last_chunk(trailers)
    assert b"".join(body.feed(wire)) == b"abcdef"
    assert (body.done, body.rest, body.trailers) == (True, b"", trailers)
