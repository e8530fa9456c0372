"""The fields of the language: their types, which subsystem has them, and how to read them from a request.

Strings are bytes, and a field may have several values (repeated headers and query arguments). A field that
the request does not have yields no value. Names of fields are checked once; reading never raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from ipaddress import ip_address

from dbless_gateway.routing.classic import header_name
from dbless_gateway.routing.expressions.tree import Address
from dbless_gateway.routing.query import query_values
from dbless_gateway.routing.request import Request

_SEGMENTS = "http.path.segments."
_HEADERS = "http.headers."
_QUERIES = "http.queries."
_SEGMENT_RANGE = re.compile(r"(0|[1-9][0-9]{0,8})(?:_([1-9][0-9]{0,8}))?\Z")


class FieldType(Enum):
    """What a field can be compared with."""

    STRING = "String"
    INT = "Int"
    ADDRESS = "IpAddr"


StringReader = Callable[[Request], list[bytes]]
IntReader = Callable[[Request], int | None]
AddressReader = Callable[[Request], Address | None]

_HTTP_STRINGS: dict[str, StringReader] = {
    "http.method": lambda request: [request.method],
    "http.host": lambda request: [request.host_as_sent] if request.host else [],
    "http.path": lambda request: [request.path],
}
_STRINGS: dict[str, StringReader] = {
    "net.protocol": lambda request: [request.conn.scheme],
    "tls.sni": lambda request: [] if request.conn.sni is None else [request.conn.sni],
}
_INTS: dict[str, IntReader] = {
    "net.src.port": lambda request: request.conn.src_port,
    "net.dst.port": lambda request: request.port,
    "net.port": lambda request: request.port,  # Kong's older name for it.
}
_ADDRESSES: dict[str, AddressReader] = {
    "net.src.ip": lambda request: _address(request.conn.src_ip),
    "net.dst.ip": lambda request: _address(request.conn.dst_ip),
}


def field_type(name: str, *, http: bool) -> FieldType | None:
    """Return the type of a field, or None when there is no such field."""
    if name in _INTS:
        return FieldType.INT
    if name in _ADDRESSES:
        return FieldType.ADDRESS
    if name in _STRINGS:
        return FieldType.STRING
    if not http:
        return None
    if name == _SEGMENTS + "len":
        return FieldType.INT
    if name in _HTTP_STRINGS or any(_names_one(name, family) for family in (_SEGMENTS, _HEADERS, _QUERIES)):
        return FieldType.STRING
    return None


def _names_one(name: str, family: str) -> bool:
    return name.startswith(family) and len(name) > len(family)


def is_illformed(name: str) -> bool:
    """Tell whether the field is meant to be a path segment and is none."""
    if not name.startswith(_SEGMENTS):
        return False
    return name != _SEGMENTS + "len" and segment_range(name) is None


def segment_range(name: str) -> tuple[int, int] | None:
    """Return the first and the last segment of a ``http.path.segments.*`` field."""
    found = _SEGMENT_RANGE.match(name.removeprefix(_SEGMENTS)) if name.startswith(_SEGMENTS) else None
    if found is None:
        return None
    return int(found[1]), int(found[2] or found[1])


def header_of(name: str) -> bytes | None:
    """Return the header that a field reads."""
    return header_name(name.removeprefix(_HEADERS)) if name.startswith(_HEADERS) else None


def query_of(name: str) -> bytes | None:
    """Return the query argument that a field reads."""
    return name.removeprefix(_QUERIES).encode() if name.startswith(_QUERIES) else None


def string_reader(name: str) -> StringReader:
    """Return how to read a string field."""
    if (header := header_of(name)) is not None:
        # Kong keeps Host out of the headers; http.host is the field for it.
        return lambda request: [] if header == b"host" else request.headers.get_all(header)
    if (query := query_of(name)) is not None:
        return lambda request: query_values(request.query, query)
    if (segments := segment_range(name)) is not None:
        first, last = segments
        ranged = "_" in name
        return lambda request: _segments(request, first, last, ranged=ranged)
    return _HTTP_STRINGS.get(name) or _STRINGS[name]


def int_reader(name: str) -> IntReader:
    """Return how to read an integer field."""
    return _INTS.get(name) or (lambda request: len(path_segments(request.path)))


def address_reader(name: str) -> AddressReader:
    """Return how to read an address field."""
    return _ADDRESSES[name]


def path_segments(path: bytes) -> list[bytes]:
    """Return the segments of a path without the empty ones at its end."""
    return path[1:].rstrip(b"/").split(b"/") if path.strip(b"/") else []


def _segments(request: Request, first: int, last: int, *, ranged: bool) -> list[bytes]:
    segments = path_segments(request.path)
    if last >= len(segments) or (ranged and first >= last):
        return []
    return [b"/".join(segments[first : last + 1])]


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
