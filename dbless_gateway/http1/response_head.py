"""The head of a target's response: judged, then taken apart in one pass, like a request's.

A target is trusted more than a client, but not to frame: two lengths, a length with a transfer coding, folded lines or
an unknown version end the connection, and the client gets a 502 (see ``proxy/failures.py``).
"""

from __future__ import annotations

import re
from functools import lru_cache

import httptools

from dbless_gateway.http1.bodies import BodyReader, ChunkedBody, LengthBody, UntilClose
from dbless_gateway.http1.headers import FOLD, Headers

_SPECIAL_NAMES = (
    rb"c(?:onnection|ontent-length|ontent-type)|keep-alive|proxy-connection|server|t(?:railer|ransfer-encoding)"
    rb"|upgrade|via|x-(?:accel-buffering|kong-(?:upstream-latency|proxy-latency|response-latency|upstream-status"
    rb"|request-id))"
)
_SPECIAL_LINE = re.compile(rb"\r\n(?=[CKPSTUVXckpstuvx])((?i:" + _SPECIAL_NAMES + rb"):[^\r]*+)")
_SPECIAL_LINE_CACHE = 2048
# Statuses whose responses never have a body (RFC 9112 section 6.3).
_NO_BODY = frozenset((204, 304))


class BadResponse(Exception):
    """The target's response cannot be understood; the text says why, for the log."""


@lru_cache(maxsize=_SPECIAL_LINE_CACHE)
def _classify(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip(b" \t")


@lru_cache(maxsize=_SPECIAL_LINE_CACHE)
def _parse_status_line(line: bytes) -> tuple[int, int, bytes]:
    """Return (minor version, status, the line as this gateway sends it)."""
    if not line.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")):
        raise BadResponse("not an HTTP/1 response")
    code = line[9:12]
    if not code.isdigit() or not 100 <= int(code) <= 999 or line[12:13] not in (b"", b" "):
        raise BadResponse("an invalid status line")
    return line[7] - 0x30, int(code), b"HTTP/1.1 " + line[9:]


class _Silent:
    """A parser's protocol without callbacks: it only judges."""


class ResponseHead:
    """A parsed response head.

    ``plain`` is the block of lines that pass unchanged, ``special`` the others by lower-case name. ``body`` is None
    when there is none; ``length`` is its announced size, None when unknown.
    """

    __slots__ = ("body", "keep_alive", "length", "line", "minor", "plain", "size", "special", "status")

    def __init__(self) -> None:
        self.line = b""  # the status line to send, without CRLF
        self.status = 0
        self.minor = 1
        self.plain = b""
        self.special: dict[bytes, bytes] = {}
        self.body: BodyReader | None = None
        self.length: int | None = None
        self.keep_alive = True
        self.size = 0


def parse_response_head(head: bytes, to_head_request: bool) -> ResponseHead:
    """Parse one complete head, its empty line included; raise ``BadResponse``.

    ``to_head_request``: HEAD has no body, whatever the head says.
    """
    try:
        # The parser cannot be told of HEAD, so it only ever sees heads, and each needs a fresh one (0.3 us).
        httptools.HttpResponseParser(_Silent()).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise BadResponse(str(error)) from None
    pieces = _SPECIAL_LINE.split(head[:-4])
    line, crlf, first_plain = pieces[0].partition(b"\r\n")
    response = ResponseHead()
    response.size = len(head)
    response.minor, response.status, response.line = _parse_status_line(line)
    if len(pieces) > 1:
        response.plain = crlf + first_plain + b"".join(pieces[2::2])
        special = response.special
        for piece in pieces[1::2]:
            name, value = _classify(piece)
            if name in special:
                if name == b"content-length":
                    raise BadResponse("more than one Content-Length")
                value = special[name] + b", " + value
            special[name] = value
    else:
        response.plain = crlf + first_plain
    _interpret(response, to_head_request)
    return response


def _interpret(response: ResponseHead, to_head_request: bool) -> None:
    special = response.special
    connection = special.get(b"connection")
    if connection is None:
        response.keep_alive = response.minor == 1
    elif connection not in (b"keep-alive", b"Keep-Alive"):
        _interpret_connection(response, connection)
    length = special.get(b"content-length")
    if length is not None:
        if not length.isdigit():
            raise BadResponse("Content-Length is not a number")
        response.length = int(length)
    if to_head_request or response.status in _NO_BODY or response.status < 200:
        return
    encoding = special.get(b"transfer-encoding")
    if encoding is not None:
        if length is not None:
            raise BadResponse("Content-Length together with Transfer-Encoding")
        if encoding.lower() != b"chunked":
            raise BadResponse("an unsupported Transfer-Encoding")
        response.body = ChunkedBody()
    elif response.length is None:
        response.body = UntilClose()
        response.keep_alive = False
    elif response.length:
        response.body = LengthBody(response.length)


def _interpret_connection(response: ResponseHead, connection: bytes) -> None:
    tokens = [token.strip(b" \t") for token in connection.lower().split(b",")]
    response.keep_alive = b"close" not in tokens and (response.minor == 1 or b"keep-alive" in tokens)
    named = [token for token in tokens if token not in (b"close", b"keep-alive", b"upgrade", b"")]
    if named:
        plain = Headers(response.plain)
        for token in named:
            plain.cut(b"\r\n" + token.translate(FOLD) + b":")
        response.plain = plain.block
