"""The head of a target's response: judged, then taken apart in one pass, like a request's.

A target is trusted more than a client, but not to frame: two lengths, a length with a transfer coding, folded
lines or an unknown version end the connection, and the client gets a 502 (see ``proxy/failures.py``).
"""

from __future__ import annotations

from functools import lru_cache

import httptools

from dbless_gateway.http1.bodies import BodyReader, ChunkedBody, LengthBody, UntilClose
from dbless_gateway.http1.headers import FOLD, Headers

try:
    from dbless_gateway.http1._splitting import split_response  # type: ignore[import-untyped,import-not-found,unused-ignore]
except ImportError:
    from dbless_gateway.http1.splitting import split_response

_SPECIAL_LINE_CACHE = 2048
# Statuses whose responses never have a body (RFC 9112 section 6.3).
NO_BODY = frozenset((204, 304))
_LENGTH, _CONTENT_TYPE, _KEEP_ALIVE, _OTHER = range(4)


class BadResponse(Exception):
    """The target's response cannot be understood; the text says why, for the log."""


@lru_cache(maxsize=_SPECIAL_LINE_CACHE)
def _classify(line: bytes) -> tuple[int, bytes, bytes]:
    """Return (kind, name in lower case, value) of a special line; the same few lines come again and again."""
    name, _, value = line.partition(b":")
    name, value = name.lower(), value.strip(b" \t")
    if name == b"content-length":
        return _LENGTH, name, value
    if name == b"content-type":
        return _CONTENT_TYPE, name, value
    if name == b"connection" and value.lower() == b"keep-alive":
        return _KEEP_ALIVE, name, value
    return _OTHER, name, value


@lru_cache(maxsize=_SPECIAL_LINE_CACHE)
def _parse_status_line(line: bytes) -> tuple[int, int, bytes]:
    """Return (minor version, status, the line as this gateway sends it)."""
    if not line.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")):
        raise BadResponse("not an HTTP/1 response")
    code = line[9:12]
    if not code.isdigit() or not 100 <= int(code) <= 999 or line[12:13] not in (b"", b" "):
        raise BadResponse("an invalid status line")
    if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in line):
        raise BadResponse("control characters in the status line")
    return line[7] - 0x30, int(code), b"HTTP/1.1 " + line[9:]


class _Silent:
    """A parser's protocol without callbacks: it only judges."""


_SILENT = _Silent()


class ResponseHead:
    """A parsed response head.

    ``plain`` is the block of lines that pass unchanged, ``special`` the others by lower-case name. ``body``
    is None when there is none; ``length`` is its announced size, None when unknown.
    """

    __slots__ = (
        "body",
        "content_type",
        "keep_alive",
        "length",
        "line",
        "minor",
        "plain",
        "special",
        "status",
    )

    line: bytes  # the status line to send, without CRLF
    status: int
    minor: int
    plain: bytes

    def __init__(self) -> None:
        self.special: dict[bytes, bytes] = {}
        self.body: BodyReader | None = None
        self.length: int | None = None
        self.content_type: bytes | None = None
        self.keep_alive = True


def parse_response_head(head: bytes, to_head_request: bool) -> ResponseHead:
    """Parse one complete head, its empty line included; raise ``BadResponse``.

    ``to_head_request``: HEAD has no body, whatever the head says.
    """
    try:
        # The parser cannot be told of HEAD, so it only ever sees heads, and each needs a fresh one (0.3 us).
        httptools.HttpResponseParser(_SILENT).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise BadResponse(str(error)) from None
    line, plain, special_lines = split_response(head)
    response = ResponseHead()
    minor, status, response.line = _parse_status_line(line)
    response.minor = minor
    response.status = status
    if not minor:
        response.keep_alive = False
    response.plain = plain
    length: int | None = None
    for special_line in special_lines:
        kind, name, value = _classify(special_line)
        if kind == _LENGTH:
            if length is not None or not value.isdigit():
                raise BadResponse("more than one Content-Length, or not a number")
            length = response.length = int(value)
        elif kind == _CONTENT_TYPE:
            response.content_type = value
        elif kind == _KEEP_ALIVE:
            if not minor:  # It is HTTP/1.1's default, and takes no other line's "close" back.
                response.keep_alive = True
        else:
            _take_special(response, name, value)
    if to_head_request or status < 200 or status in NO_BODY:
        return response
    if b"transfer-encoding" in response.special:
        _take_transfer_encoding(response, response.special[b"transfer-encoding"])
    elif length is None:
        response.body = UntilClose()
        response.keep_alive = False
    elif length:
        response.body = LengthBody(length)
    return response


def _take_special(response: ResponseHead, name: bytes, value: bytes) -> None:
    known = response.special.get(name)
    response.special[name] = value if known is None else known + b", " + value
    if name == b"connection":
        _interpret_connection(response, value)


def _take_transfer_encoding(response: ResponseHead, encoding: bytes) -> None:
    if response.length is not None:
        raise BadResponse("Content-Length together with Transfer-Encoding")
    if encoding.lower() != b"chunked":
        raise BadResponse("an unsupported Transfer-Encoding")
    response.body = ChunkedBody()


def _interpret_connection(response: ResponseHead, connection: bytes) -> None:
    tokens = [token.strip(b" \t") for token in connection.lower().split(b",")]
    if b"close" in tokens:
        response.keep_alive = False
    elif b"keep-alive" in tokens and not response.minor:
        response.keep_alive = True
    named = [token for token in tokens if token not in (b"close", b"keep-alive", b"upgrade", b"")]
    if named:
        plain = Headers(response.plain)
        for token in named:
            plain.cut(b"\r\n" + token.translate(FOLD) + b":")
        response.plain = plain.block
