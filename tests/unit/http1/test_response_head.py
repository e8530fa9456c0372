"""A response head taken apart; what is refused is in tests/compat/wire."""

from __future__ import annotations

import pytest

from dbless_gateway.http1.bodies import ChunkedBody, LengthBody, UntilClose
from dbless_gateway.http1.response_head import ResponseHead, parse_response_head


def parse(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK", to_head_request: bool = False) -> ResponseHead:
    response = parse_response_head(b"\r\n".join((start, *lines)) + b"\r\n\r\n", to_head_request)
    assert response is not None
    return response


def test_parts() -> None:
    head = parse(b"X-A: 1", b"Content-Length: 5", b"Server: b")
    assert (head.line, head.status, head.minor, head.length) == (b"HTTP/1.1 200 OK", 200, 1, 5)
    assert (head.plain, head.special, head.keep_alive) == (b"\r\nX-A: 1\r\nServer: b", {}, True)


def test_status_line_is_always_of_http_11() -> None:
    assert parse(start=b"HTTP/1.0 404 Nope").line == b"HTTP/1.1 404 Nope"


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ((b"Content-Length: 5",), LengthBody),
        ((b"Transfer-Encoding: Chunked",), ChunkedBody),
        ((), UntilClose),
    ],
)
def test_bodies(lines: tuple[bytes, ...], kind: type) -> None:
    assert isinstance(parse(*lines).body, kind)


@pytest.mark.parametrize("lines", [(b"Content-Length: 5",), (b"Transfer-Encoding: chunked",), ()])
@pytest.mark.parametrize(
    ("status", "to_head_request"), [(200, True), (204, False), (304, False), (100, False), (103, False)]
)
def test_answers_without_body(lines: tuple[bytes, ...], status: int, to_head_request: bool) -> None:
    start = b"HTTP/1.1 %d X" % status
    assert parse(*lines, start=start, to_head_request=to_head_request).body is None


def test_empty_body() -> None:
    head = parse(b"Content-Length: 0")
    assert (head.body, head.length, head.keep_alive) == (None, 0, True)


@pytest.mark.parametrize(
    ("start", "lines", "keep_alive"),
    [
        (b"HTTP/1.1 200 OK", (), True),
        (b"HTTP/1.1 200 OK", (b"Connection: Close",), False),
        (b"HTTP/1.1 200 OK", (b"Connection: keep-alive",), True),
        (b"HTTP/1.1 200 OK", (b"Connection: close", b"Connection: keep-alive"), False),
        (b"HTTP/1.1 200 OK", (b"Connection: keep-alive", b"Connection: close"), False),
        (b"HTTP/1.0 200 OK", (), False),
        (b"HTTP/1.0 200 OK", (b"Connection: keep-alive",), True),
        (b"HTTP/1.0 200 OK", (b"Connection: Keep-Alive, x",), True),
    ],
)
def test_persistence(start: bytes, lines: tuple[bytes, ...], keep_alive: bool) -> None:
    assert parse(b"Content-Length: 1", *lines, start=start).keep_alive is keep_alive


def test_without_framing_the_connection_ends() -> None:
    assert not parse(b"Connection: keep-alive").keep_alive


def test_named_fields_are_taken_out() -> None:
    head = parse(b"Connection: x-a, close", b"X-A: 1", b"x_a: 2", b"X-B: 3")
    assert head.plain == b"\r\nX-B: 3"


@pytest.mark.parametrize(
    "line",
    [
        b"Keep-Alive: 5",
        b"Proxy-Connection: x",
        b"Trailer: X",
        b"Upgrade: h2c",
        b"Via: 1.1 x",
        b"X-Accel-Buffering: no",
        b"X-Kong-Upstream-Latency: 1",
        b"x-kong-request-id: 1",
    ],
)
def test_special_lines_are_taken_out(line: bytes) -> None:
    head = parse(b"X-A: 1", line, b"X-B: 2")
    assert head.plain == b"\r\nX-A: 1\r\nX-B: 2"
    assert head.special == {line.partition(b": ")[0].lower(): line.partition(b": ")[2]}


def test_content_type_is_kept_apart() -> None:
    head = parse(b"Content-Type: text/html", b"X-A: 1")
    assert (head.content_type, head.plain) == (b"text/html", b"\r\nX-A: 1")
