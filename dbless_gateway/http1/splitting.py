"""A head taken apart into what passes unchanged and the lines that the gateway must understand or replace.

This is the one pass over a head. Here it is a regular expression; ``_splitting.c`` does the same ten times as
fast and takes its place where it was built. Both answer the same for every head that the judge accepts (a
property test holds them equal), and find the same end of any; for others they only promise not to fail.
"""

from __future__ import annotations

import re
from functools import lru_cache

# The names that a request's special lines may have: hop-by-hop and framing fields, fields that the gateway
# rewrites, and fields that authentication owns.
REQUEST_NAMES = (
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-anonymous-consumer",
    "x-consumer-custom-id",
    "x-consumer-id",
    "x-consumer-username",
    "x-credential-identifier",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-kong-request-id",
    "x-real-ip",
)
RESPONSE_NAMES = (
    "connection",
    "content-length",
    "content-type",
    "keep-alive",
    "proxy-connection",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-accel-buffering",
    "x-kong-proxy-latency",
    "x-kong-request-id",
    "x-kong-response-latency",
    "x-kong-upstream-latency",
    "x-kong-upstream-status",
)

# What has come, or None while the empty line has not. The size is that of the head, its empty line included; lines
# of the plain block have their CRLF in front. Special lines are (name in lower case, value) in their order, without
# those that have a place of their own; None: there are none.
Special = list[tuple[bytes, bytes]] | None
# (size, method, target, path, query, minor version, host, plain, special); without three words in the request line
# method and target are empty, and a version that is not 1.0 or 1.1 is -1.
RequestSplit = tuple[int, bytes, bytes, bytes, bytes | None, int, bytes | None, bytes, Special]
# (size, minor version, status, status line to send, plain, length, content type, special, has Server, needs no
# judge); the status of an invalid line is 0. Only the compiled twin looks at every byte and may spare a response the
# judge: nothing special in it, and no byte that is not a plain name's or value's.
ResponseSplit = tuple[int, int, int, bytes, bytes, int | None, bytes | None, Special, bool, bool]

_LINES_REMEMBERED = 2048
_MINORS = {b"HTTP/1.1": 1, b"HTTP/1.0": 0}
# nginx's rule: something, without blanks and slashes.
_HOST_VALUE = re.compile(rb"[\x21-\x2e\x30-\x7e\x80-\xff]+")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
# More digits are no length.
_LENGTH = re.compile(rb"[0-9]{1,18}")
_OTHER, _HOST, _CONTENT_LENGTH, _CONTENT_TYPE, _KEEP_ALIVE = range(5)


def _pattern(names: tuple[str, ...], rest: str) -> re.Pattern[bytes]:
    """Return what finds special lines. A look-ahead at the first letter spares most lines the alternatives."""
    initials = "".join(sorted({name[0] for name in names} | {name[0].upper() for name in names}))
    # Alternatives with a common first letter are grouped: the engine then tries one branch per line.
    groups = [
        f"{letter}(?:{'|'.join(re.escape(name[1:]) for name in names if name[0] == letter)})"
        for letter in sorted({name[0] for name in names})
    ]
    return re.compile(rf"\r\n(?=[{initials}])((?i:{'|'.join(groups)}):[^\r]*+){rest}".encode())


# In a request also a line whose name holds anything but letters, digits, "-" and "_": nginx drops these
# silently.
_REQUEST_LINES = _pattern(REQUEST_NAMES, r"|\r\n[-\w]*+[^-\w:\r][^\r]*+")
_RESPONSE_LINES = _pattern(RESPONSE_NAMES, "")


@lru_cache(maxsize=_LINES_REMEMBERED)
def _classify(line: bytes) -> tuple[int, tuple[bytes, bytes]]:
    """Return what is special about a line, with its name and value; the same few lines come again and again."""
    name, _, value = line.partition(b":")
    name, value = name.lower(), value.strip(b" \t")
    kind = _OTHER
    if name == b"host" and _HOST_VALUE.fullmatch(value):
        kind = _HOST
    elif name == b"content-length" and _LENGTH.fullmatch(value):
        kind = _CONTENT_LENGTH
    elif name == b"content-type":
        kind = _CONTENT_TYPE
    elif name == b"connection" and value.lower() == b"keep-alive":
        kind = _KEEP_ALIVE
    return kind, (name, value)


@lru_cache(maxsize=_LINES_REMEMBERED)
def _status_line(line: bytes) -> tuple[int, int, bytes]:
    """Return (minor version, status, the line as this gateway sends it)."""
    found = _STATUS_LINE.fullmatch(line)
    return (int(found[1]), int(found[2]), b"HTTP/1.1" + line[8:]) if found else (0, 0, line)


def split_request(data: bytes) -> RequestSplit | None:
    """Take a request's head apart. A line with a forbidden name is gone."""
    size = data.find(b"\r\n\r\n") + 4
    if size < 4:
        return None
    pieces = _REQUEST_LINES.split(data[: size - 4])
    line, crlf, plain = pieces[0].partition(b"\r\n")
    host: bytes | None = None
    special: Special = None
    for piece in pieces[1::2]:
        if piece is not None:
            kind, named = _classify(piece)
            if kind == _HOST and host is None:
                host = named[1]
            elif special is None:
                special = [named]
            else:
                special.append(named)
    plain = crlf + plain + (pieces[2] if len(pieces) == 3 else b"".join(pieces[2::2]))
    words = line.split(b" ")
    if len(words) != 3:
        return size, b"", b"", b"", None, -1, host, plain, special
    method, target, version = words
    path, mark, query = target.partition(b"?")
    return size, method, target, path, query if mark else None, _MINORS.get(version, -1), host, plain, special


def split_response(data: bytes) -> ResponseSplit | None:
    """Take a response's head apart."""
    size = data.find(b"\r\n\r\n") + 4
    if size < 4:
        return None
    pieces = _RESPONSE_LINES.split(data[: size - 4])
    first, crlf, plain = pieces[0].partition(b"\r\n")
    minor, status, line = _status_line(first)
    length: int | None = None
    content_type: bytes | None = None
    special: Special = None
    for piece in pieces[1::2]:
        kind, named = _classify(piece)
        if kind == _CONTENT_LENGTH and length is None:
            length = int(named[1])
        elif kind == _CONTENT_TYPE:
            content_type = named[1]
        elif kind == _KEEP_ALIVE and minor:
            pass  # It is HTTP/1.1's default, and takes no other line's "close" back.
        elif special is None:
            special = [named]
        else:
            special.append(named)
    plain = crlf + plain + b"".join(pieces[2::2])
    return size, minor, status, line, plain, length, content_type, special, has_server(plain), False


def has_server(block: bytes) -> bool:
    """Tell whether a Server line is among these; nearly all targets spell it so."""
    return block.find(b"\r\nServer:") >= 0 or block.lower().find(b"\r\nserver:") >= 0
