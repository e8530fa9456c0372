"""A request head taken apart; what is refused is in tests/compat/wire."""

from __future__ import annotations

import pytest

from dbless_gateway.http1.bodies import ChunkedBody, LengthBody
from dbless_gateway.http1.request_head import Judge, Refusal, RequestHead, parse_request_head

HOST = b"Host: a.test\r\n"


def parse(*lines: bytes, start: bytes = b"GET /p?q HTTP/1.1") -> RequestHead:
    head = b"\r\n".join((start, b"Host: a.test", *lines)) + b"\r\n\r\n"
    request = parse_request_head(head, Judge())
    assert request is not None
    return request


def test_parts() -> None:
    head = parse(b"X-A: 1", b"Accept: b")
    assert (head.method, head.target, head.path, head.query) == (b"GET", b"/p?q", b"/p", b"q")
    assert (head.host, head.minor, head.plain) == (b"a.test", 1, b"\r\nX-A: 1\r\nAccept: b")
    assert (head.body, head.keep_alive, head.upgrade, head.special) == (None, True, None, {})
    assert head.size == len(head.raw)
    assert head.headers.items() == [(b"Host", b"a.test"), (b"X-A", b"1"), (b"Accept", b"b")]
    assert head.get_all(b"x-a") == [b"1"]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", None),
        (b"/?", b"/", b""),
        (b"/a?b?c", b"/a", b"b?c"),
        (b"http://b.test", b"/", None),
        (b"http://b.test?x", b"/", b"x"),
        (b"http://b.test/a?x=/", b"/a", b"x=/"),
    ],
)
def test_targets(target: bytes, path: bytes, query: bytes | None) -> None:
    head = parse(start=b"GET " + target + b" HTTP/1.1")
    assert (head.path, head.query) == (path, query)
    assert head.host == (b"b.test" if target.startswith(b"http") else b"a.test")


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: keep-alive",
        b"Keep-Alive: 5",
        b"Proxy: x",
        b"Proxy-Connection: close",
        b"TE: trailers",
        b"Trailer: X",
        b"Upgrade: h2c",
        b"Via: 1.1 x",
        b"X-Forwarded-For: 1.1.1.1",
        b"x-real-ip: 1.1.1.1",
        b"X-KONG-REQUEST-ID: 1",
        b"X-Consumer-ID: 1",
        b"X-Credential-Identifier: 1",
        b"X-Anonymous-Consumer: true",
        b"Expect: 100-continue",
    ],
)
def test_special_lines_are_taken_out(line: bytes) -> None:
    head = parse(b"X-A: 1", line, b"X-B: 2")
    name, _, value = line.partition(b": ")
    assert head.plain == b"\r\nX-A: 1\r\nX-B: 2"
    assert head.special == {name.lower(): value}
    assert head.headers.get(name) == value, "plugins still see it"


def test_repeated_special_lines_are_joined() -> None:
    assert parse(b"Via: a", b"via: b").special == {b"via": b"a, b"}


@pytest.mark.parametrize("line", [b"X.A: 1", b"!: 1", b"X'A: 1", b"X~: 1"])
def test_odd_names_are_dropped(line: bytes) -> None:
    """As by nginx, silently."""
    assert parse(b"X-A: 1", line, b"X-B: 2").plain == b"\r\nX-A: 1\r\nX-B: 2"


@pytest.mark.parametrize(
    ("start", "lines", "keep_alive"),
    [
        (b"GET / HTTP/1.1", (), True),
        (b"GET / HTTP/1.1", (b"Connection: close",), False),
        (b"GET / HTTP/1.1", (b"Connection: a", b"Connection: CLOSE"), False),
        (b"GET / HTTP/1.1", (b"Connection: closed",), True),
        (b"GET / HTTP/1.0", (), False),
        (b"GET / HTTP/1.0", (b"Via: a",), False),
        (b"GET / HTTP/1.0", (b"Connection: Keep-Alive",), True),
        (b"GET / HTTP/1.0", (b"Connection: keep-alive, close",), False),
    ],
)
def test_persistence(start: bytes, lines: tuple[bytes, ...], keep_alive: bool) -> None:
    assert parse(*lines, start=start).keep_alive is keep_alive


def test_bodies() -> None:
    assert isinstance(parse(b"Transfer-Encoding: chunked").body, ChunkedBody)
    body = parse(b"Content-Length: 12").body
    assert isinstance(body, LengthBody)
    assert body.remaining == 12
    empty = parse(b"Content-Length: 0")
    assert (empty.body, empty.has_empty_body) == (None, True)


@pytest.mark.parametrize(
    ("lines", "wants"),
    [
        ((b"Expect: 100-continue", b"Content-Length: 1"), True),
        ((b"Expect: 100-Continue", b"Transfer-Encoding: chunked"), True),
        ((b"Expect: 100-continue",), False),
        ((b"Content-Length: 1",), False),
    ],
)
def test_expectation(lines: tuple[bytes, ...], wants: bool) -> None:
    assert parse(*lines).wants_continue is wants


@pytest.mark.parametrize("method", [b"GET", b"PROPFIND", b"M-SEARCH", b"FOO", b"FOO_BAR", b"A" * 32])
def test_methods(method: bytes) -> None:
    assert parse(start=method + b" / HTTP/1.1").method == method


def test_head_is_known() -> None:
    assert parse(start=b"HEAD / HTTP/1.1").is_head


def test_a_crowd_of_connection_options_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        parse(b"Connection: " + b", ".join([b"a"] * 33))
    assert caught.value.status == 400
    assert parse(b"Connection: " + b", ".join([b"a"] * 32)).keep_alive
