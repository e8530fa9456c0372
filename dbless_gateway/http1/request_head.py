"""The head of a request: judged, then taken apart in one pass.

``httptools`` (llhttp, strict) judges; it is fed the head alone and has no callbacks, which is its fastest
form. ``splitting`` then takes out the lines that the gateway itself must understand or replace; all others
stay together as they were received and go on to the target as they are.

Judge and scan must agree: whatever they see differently (two Hosts, a request line of four parts) is refused
here. What is refused and why follows RFC 9112; the statuses are those of Kong (nginx).
"""

from __future__ import annotations

import re
from typing import Final

import httptools

from dbless_gateway.http1.bodies import BodyReader, ChunkedBody, LengthBody
from dbless_gateway.http1.extensions import split_request
from dbless_gateway.http1.headers import FOLD, Headers

_UNUSUAL_METHODS: Final = frozenset((b"HEAD", b"CONNECT", b"TRACE"))
_SLASH: Final = 0x2F
_TOKEN_METHOD: Final = re.compile(rb"[A-Z][A-Z_-]{0,31}")
_VISIBLE: Final = re.compile(rb"[\x21-\x7e\x80-\xff]+")
_STAND_IN_METHOD: Final = b"GET"
_STAND_IN_TARGET: Final = b"/"

# Up to this size no limit on heads can be exceeded, so none is checked.
_SMALL_HEAD_BYTES: Final = 800

# A client that names hundreds of hosts, names or encodings in one line is not a client.
_MAX_CONNECTION_TOKENS: Final = 32


class Refusal(Exception):
    """The request cannot be served; ``status`` is what the client is told, ``reason`` goes to the log."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class _Silent:
    """A parser's protocol without callbacks: it only judges."""


class HeadLimits:
    """How much a head may be; the defaults are Kong's (nginx's large_client_header_buffers: 4 x 8k)."""

    __slots__ = ("_head_bytes", "_line_bytes", "_lines")

    def __init__(self, line_bytes: int = 8192, head_bytes: int = 32768, lines: int = 200) -> None:
        """``line_bytes``: of the request line; ``lines``: header lines."""
        self._line_bytes = line_bytes
        self._head_bytes = head_bytes
        self._lines = lines

    def check(self, data: bytes, size: int) -> None:
        """Refuse a head that is too large; it is the first ``size`` bytes, and may still grow."""
        line_size = data.find(b"\r\n", 0, size)
        if line_size < 0:
            line_size = size - data.endswith(b"\r")
        if line_size > self._line_bytes:
            raise Refusal(414, "the request line is too long")
        if size > self._head_bytes:
            raise Refusal(431, "the head is too large")
        if data.count(b"\r\n", 0, size) > self._lines:
            raise Refusal(431, "too many header lines")

    def check_partial(self, data: bytes) -> None:
        """Refuse what is too large already, and what cannot become a head."""
        self.check(data, len(data))
        if data.find(b"\n\n") >= 0:
            raise Refusal(400, "bare line feeds")


class Judge:
    """Feeds heads to the strict parser. One per worker: between heads it holds no state."""

    __slots__ = ("_parser", "limits")

    def __init__(self, limits: HeadLimits | None = None) -> None:
        self.limits = limits or HeadLimits()
        self._parser = httptools.HttpRequestParser(_Silent())

    def check(self, head: bytes) -> None:
        """Raise ``Refusal`` unless ``head`` is one well-formed request head."""
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            self.reset()
        except httptools.HttpParserInvalidMethodError:
            self.reset()
            self._check_without(head, "method")
        except httptools.HttpParserInvalidURLError:
            self.reset()
            self._check_without(head, "target")
        except httptools.HttpParserError as error:
            self.reset()
            raise Refusal(400, str(error)) from None

    def reset(self) -> None:
        """Forget the message: it has a body, which this parser will not see, or ended in an error."""
        self._parser = httptools.HttpRequestParser(_Silent())

    def _check_without(self, head: bytes, part: str) -> None:
        """Judge again with a stand-in for a method or target that nginx takes and llhttp doesn't."""
        line, _, rest = head.partition(b"\r\n")
        words = line.split(b" ")
        if len(words) != 3:
            raise Refusal(400, "the request line does not have three parts")
        method, target, version = words
        if part == "method":
            if not _TOKEN_METHOD.fullmatch(method) or method == _STAND_IN_METHOD:
                raise Refusal(400, "invalid method")
            method = _STAND_IN_METHOD
        else:
            # The parser counts what stands before the version as the target's; then no stand-in helps.
            if target == _STAND_IN_TARGET:
                raise Refusal(400, "invalid request line")
            if not _VISIBLE.fullmatch(target) or not target.startswith((b"/", b"http")):
                raise Refusal(400, "invalid request target")
            target = _STAND_IN_TARGET
        self.check(b"%b %b %b\r\n%b" % (method, target, version, rest))


class RequestHead:
    """A parsed request head.

    ``plain`` is the block of all lines that pass unchanged. ``special`` maps the other names (lower case,
    Host excepted) to their value; repeated lines are joined with ", ".
    """

    __slots__ = (
        "_headers",
        "body",
        "has_empty_body",
        "host",
        "is_head",
        "keep_alive",
        "method",
        "minor",
        "path",
        "plain",
        "query",
        "raw",
        "special",
        "target",
        "upgrade",
        "wants_continue",
    )

    raw: bytes  # as received, empty line included
    method: bytes
    target: bytes  # origin-form
    path: bytes  # raw, without query
    plain: bytes

    def __init__(self) -> None:
        self._headers: Headers | None = None
        self.query: bytes | None = None  # without "?"
        self.minor = 1
        self.is_head = False
        self.host: bytes | None = None
        self.special: dict[bytes, bytes] = {}
        self.body: BodyReader | None = None
        self.has_empty_body = False  # Content-Length: 0
        self.keep_alive = True
        self.upgrade: bytes | None = None
        self.wants_continue = False

    @property
    def size(self) -> int:
        """Bytes of the head."""
        return len(self.raw)

    @property
    def headers(self) -> Headers:
        """All header lines, as received."""
        headers = self._headers
        if headers is None:
            raw = self.raw
            headers = self._headers = Headers(raw[raw.find(b"\r\n") : -4])
        return headers

    def get_all(self, name: bytes) -> list[bytes]:
        """Return every value of a header; so a head can be handed to whoever may want to look one up."""
        return self.headers.get_all(name)


def parse_request_head(data: bytes, judge: Judge) -> RequestHead | None:
    """Parse the head that ``data`` begins with; None while its end has not come. Raises ``Refusal``."""
    split = split_request(data)
    if split is None:
        judge.limits.check_partial(data)
        return None
    size, method, target, path, query, minor, host, plain, special = split
    if size > _SMALL_HEAD_BYTES:
        judge.limits.check(data, size)
    head = data if size == len(data) else data[:size]
    judge.check(head)
    request = RequestHead()
    request.raw = head
    request.plain = plain
    request.method = method
    if minor != 1:
        _take_old_version(request, minor)
    if method in _UNUSUAL_METHODS:
        _take_unusual_method(request, method)
    request.host = host
    request.target = target
    request.path = path
    request.query = query
    if target[0] != _SLASH:
        _take_absolute_form(request, target)
    if special is not None:
        for name, value in special:
            _take_special(request, name, value)
    if request.host is None and minor:
        raise Refusal(400, "HTTP/1.1 without Host (RFC 9112 section 3.2)")
    if request.special:
        _interpret(request)
        # llhttp takes Proxy-Connection for Connection, and would refuse whatever follows a "close".
        if request.body is not None or not request.keep_alive or b"proxy-connection" in request.special:
            judge.reset()
    elif not minor:
        request.keep_alive = False
        judge.reset()
    return request


def _take_old_version(request: RequestHead, minor: int) -> None:
    if minor < 0:
        line = request.raw.partition(b"\r\n")[0]
        if not request.method:
            raise Refusal(400, "the request line does not have three parts")
        is_http = line.rpartition(b" ")[2].startswith(b"HTTP/")
        raise Refusal(505 if is_http else 400, "unsupported HTTP version")
    request.minor = 0


def _take_unusual_method(request: RequestHead, method: bytes) -> None:
    if method == b"HEAD":
        request.is_head = True
    elif method == b"CONNECT":
        raise Refusal(400, "CONNECT is for forward proxies")
    else:
        raise Refusal(405, "TRACE is refused")


def _take_absolute_form(request: RequestHead, target: bytes) -> None:
    """Take an absolute-form target, whose authority replaces Host (RFC 9112 section 3.2.2)."""
    folded = target[:8].lower()
    for scheme in (b"http://", b"https://"):
        if folded.startswith(scheme):
            rest = target[len(scheme) :]
            end = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
            authority, path = rest[:end], rest[end:]
            if not authority or b"@" in authority:
                break
            if request.host is None:
                if request.minor:
                    raise Refusal(400, "HTTP/1.1 without Host, or with an invalid one (RFC 9112 section 3.2)")
            else:
                request.special[b"host"] = request.host
            request.host = request.special[b":authority"] = authority
            request.target = path if path.startswith(b"/") else b"/" + path
            request.path, mark, query = request.target.partition(b"?")
            request.query = query if mark else None
            return
    raise Refusal(400, "the request target is neither a path nor an http URL")


def _take_special(request: RequestHead, name: bytes, value: bytes) -> None:
    if name == b"host":
        # The first good one has gone to its place.
        raise Refusal(400, "more than one Host, or an invalid one")
    known = request.special.get(name)
    if known is None:
        request.special[name] = value
    elif name == b"content-length":
        raise Refusal(400, "more than one Content-Length")
    else:
        request.special[name] = known + b", " + value


def _interpret(request: RequestHead) -> None:
    """Draw the conclusions from the special lines: body, persistence, upgrade, expectation."""
    special = request.special
    connection = special.get(b"connection")
    if connection is None:
        request.keep_alive = request.minor == 1
    else:
        _interpret_connection(request, connection)
    encoding = special.get(b"transfer-encoding")
    length = special.get(b"content-length")
    if encoding is not None:
        if length is not None:
            raise Refusal(400, "Content-Length together with Transfer-Encoding (RFC 9112 section 6.3)")
        if encoding.lower() != b"chunked":
            raise Refusal(
                501 if encoding.lower().endswith(b"chunked") else 400, "unsupported Transfer-Encoding"
            )
        if not request.minor:
            raise Refusal(400, "Transfer-Encoding in HTTP/1.0")
        request.body = ChunkedBody()
    elif length is not None:
        if not length.isdigit():
            raise Refusal(400, "Content-Length is not a number")
        size = int(length)
        if size:
            request.body = LengthBody(size)
        else:
            request.has_empty_body = True
    expect = special.get(b"expect")
    if expect is not None and request.minor:
        if expect.lower() != b"100-continue":
            raise Refusal(417, "unknown expectation")
        request.wants_continue = request.body is not None


def _interpret_connection(request: RequestHead, connection: bytes) -> None:
    tokens = [token.strip(b" \t") for token in connection.lower().split(b",")]
    if len(tokens) > _MAX_CONNECTION_TOKENS:
        raise Refusal(400, "too many connection options")
    request.keep_alive = b"close" not in tokens and (request.minor == 1 or b"keep-alive" in tokens)
    if b"upgrade" in tokens and request.minor:
        request.upgrade = request.special.get(b"upgrade")
    # Fields that the client names are its connection's alone (RFC 9110 section 7.6.1). Those which frame or
    # route cannot be named away: they are special, and handled as what they are.
    named = [token for token in tokens if token not in (b"close", b"keep-alive", b"upgrade", b"te", b"")]
    if named:
        plain = Headers(request.plain)
        for token in named:
            plain.cut(b"\r\n" + token.translate(FOLD) + b":")
        request.plain = plain.block
