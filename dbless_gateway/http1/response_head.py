"""The head of a target's response: judged, then taken apart in one pass, like a request's.

A target is trusted more than a client, but not to frame: two lengths, a length with a transfer coding, folded
lines or an unknown version end the connection, and the client gets a 502 (see ``proxy/failures.py``).
"""

from __future__ import annotations

from typing import Final

import httptools

from dbless_gateway.http1.bodies import BodyReader, ChunkedBody, LengthBody, UntilClose
from dbless_gateway.http1.extensions import split_response
from dbless_gateway.http1.headers import FOLD, Headers

# nginx's proxy_buffer_size is 4 or 8 KiB; real applications send larger cookies than that.
_MAX_HEAD_BYTES: Final = 65536
# Statuses whose responses never have a body (RFC 9112 section 6.3).
NO_BODY: Final = frozenset((204, 304))


class BadResponse(Exception):
    """The target's response cannot be understood; the text says why, for the log."""


class _Silent:
    """A parser's protocol without callbacks: it only judges."""


_SILENT: Final = _Silent()


class ResponseHead:
    """A parsed response head.

    ``plain`` is the block of lines that pass unchanged, ``special`` the others by lower-case name. ``body``
    is None when there is none; ``length`` is its announced size, None when unknown.
    """

    __slots__ = (
        "body",
        "content_type",
        "has_server",
        "keep_alive",
        "length",
        "line",
        "minor",
        "plain",
        "size",
        "special",
        "status",
    )

    size: int  # bytes of the head, empty line included
    line: bytes  # the status line to send, without CRLF
    status: int
    minor: int
    plain: bytes
    has_server: bool  # a Server line is among them

    def __init__(self) -> None:
        self.special: dict[bytes, bytes] = {}
        self.body: BodyReader | None = None
        self.length: int | None = None
        self.content_type: bytes | None = None
        self.keep_alive = True


def parse_response_head(data: bytes, to_head_request: bool) -> ResponseHead | None:
    """Parse the head that ``data`` begins with; None while its end has not come. Raises ``BadResponse``.

    ``to_head_request``: HEAD has no body, whatever the head says.
    """
    split = split_response(data)
    if split is None:
        _check_partial(data)
        return None
    size, minor, status, line, plain, length, content_type, special, has_server, is_judged = split
    if size > _MAX_HEAD_BYTES:
        raise BadResponse("the response's head is too large")
    if not is_judged:
        _judge(data if size == len(data) else data[:size])
    if not status:
        raise BadResponse("an invalid status line, or not HTTP/1")
    response = ResponseHead()
    response.size = size
    response.minor = minor
    response.status = status
    response.line = line
    response.plain = plain
    response.length = length
    response.content_type = content_type
    response.has_server = has_server
    if not minor:
        response.keep_alive = False
    if special is not None:
        for name, value in special:
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


def _judge(head: bytes) -> None:
    try:
        # The parser cannot be told of HEAD, so it only ever sees heads, and each needs a fresh one (0.3 us).
        httptools.HttpResponseParser(_SILENT).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise BadResponse(str(error)) from None


def _check_partial(data: bytes) -> None:
    """Refuse what cannot become a head any more."""
    if len(data) > _MAX_HEAD_BYTES:
        raise BadResponse("the response's head is too large")
    if not data.startswith(b"HTTP/1.") and not b"HTTP/1.".startswith(data):
        raise BadResponse("not an HTTP/1 response")


def _take_special(response: ResponseHead, name: bytes, value: bytes) -> None:
    if name == b"content-length":
        raise BadResponse("more than one Content-Length, or not a number")
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
