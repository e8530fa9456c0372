"""A head taken apart into what passes unchanged and the lines that the gateway must understand or replace.

This is the one pass over a head. Here it is a regular expression; ``_splitting.c`` does the same eight times
as fast and takes its place where it was built. Both answer the same for every head that the judge has
accepted (a property test holds them equal); for others they only promise not to fail.
"""

from __future__ import annotations

import re

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

Split = tuple[bytes, bytes, list[bytes]]


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


def split_request(head: bytes) -> Split:
    """Return (request line, block of plain lines, special lines) of a head, its empty line included.

    Lines of the block have their CRLF in front, special lines have none. A line with a forbidden name is
    gone.
    """
    pieces = _REQUEST_LINES.split(head[:-4])
    line, crlf, plain = pieces[0].partition(b"\r\n")
    if len(pieces) == 3:
        return line, crlf + plain + pieces[2], [pieces[1]] if pieces[1] is not None else []
    return line, crlf + plain + b"".join(pieces[2::2]), [piece for piece in pieces[1::2] if piece is not None]


def split_response(head: bytes) -> Split:
    """Return (status line, block of plain lines, special lines) of a head, its empty line included."""
    pieces = _RESPONSE_LINES.split(head[:-4])
    line, crlf, plain = pieces[0].partition(b"\r\n")
    return line, crlf + plain + b"".join(pieces[2::2]), pieces[1::2]
