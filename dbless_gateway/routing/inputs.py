"""Which inputs of a request some route looks at, and the cache key made from just those.

Two requests with the same key get the same decision. The fewer inputs a table uses, the more requests share
one; the usual table needs a tuple of two or three byte strings.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from operator import attrgetter

from dbless_gateway.routing.conditions import (
    Condition,
    DestinationIn,
    HeaderIs,
    HostIn,
    MethodIn,
    ProtocolIn,
    SniIn,
    SourceIn,
)
from dbless_gateway.routing.expressions.fields import header_of, query_of
from dbless_gateway.routing.expressions.rules import ExpressionHolds
from dbless_gateway.routing.expressions.tree import fields_of
from dbless_gateway.routing.hosts import HostPattern
from dbless_gateway.routing.request import Connection, HeaderLookup
from dbless_gateway.routing.traditional import TraditionalHostIn

KeyMaker = Callable[[bytes, bytes, bytes, Connection, HeaderLookup, bytes | None], Hashable]

# Fields of expressions and what they read of a ``Connection``.
_CONNECTION_FIELDS = {
    "net.protocol": "scheme",
    "net.src.ip": "src_ip",
    "net.src.port": "src_port",
    "net.dst.ip": "dst_ip",
    "net.dst.port": "port",
    "net.port": "port",
    "tls.sni": "sni",
}


class Inputs:
    """Collected while a router is built; the path is always used, since it decides what the target is asked.

    ``connection`` are fields of ``Connection``.
    """

    __slots__ = ("connection", "headers", "host", "method", "query")

    def __init__(self) -> None:
        self.method = False
        self.host = False
        self.query = False
        self.connection: set[str] = set()
        self.headers: set[bytes] = set()

    def note(self, conditions: Iterable[Condition]) -> None:
        """Take in what a rule looks at."""
        for condition in conditions:
            if isinstance(condition, MethodIn):
                self.method = True
            elif isinstance(condition, HeaderIs):
                self.headers.add(condition.name)
            elif isinstance(condition, ExpressionHolds):
                for field in fields_of(condition.tree):
                    self._note_field(field)
            else:
                self._note_host(condition)
                self._note_connection(condition)

    def _note_host(self, condition: Condition) -> None:
        if isinstance(condition, TraditionalHostIn):
            self.host = True
            # Where ports count, one that is not given is that of the scheme.
            if any(b":" in host for host in condition.plain) or _any_port(condition.wildcards):
                self.connection.add("scheme")
        elif isinstance(condition, HostIn):
            self.host = True
            # Where ports count, one that is not given is the listener's.
            if _any_port(condition.patterns):
                self.connection.add("port")

    def _note_connection(self, condition: Condition) -> None:
        if isinstance(condition, SniIn):
            self.connection.update(("scheme", "sni"))
        elif isinstance(condition, ProtocolIn):
            self.connection.add("scheme")
        elif isinstance(condition, SourceIn):
            self.connection.update(("src_ip", "src_port"))
        elif isinstance(condition, DestinationIn):
            self.host = True
            self.connection.update(("dst_ip", "port"))

    def _note_field(self, field: str) -> None:
        if field in _CONNECTION_FIELDS:
            self.connection.add(_CONNECTION_FIELDS[field])
            # The port may come from the Host header.
            self.host |= _CONNECTION_FIELDS[field] == "port"
        elif field == "http.host":
            self.host = True
        elif field == "http.method":
            self.method = True
        elif (header := header_of(field)) is not None:
            self.headers.add(header)
        elif query_of(field) is not None:
            self.query = True

    def key_maker(self) -> KeyMaker:
        """Return the cheapest function that tells apart what this table tells apart."""
        if self.query or (self.headers and self.connection):
            return self._full_key_maker()
        if self.headers:
            names = tuple(sorted(self.headers))
            return _headers_key_maker(names) if len(names) > 1 else _header_key_maker(names[0])
        if self.connection:
            return _connection_key_maker(tuple(sorted(self.connection)))
        if self.method and self.host:
            return _method_host_path
        if self.method:
            return _method_path
        return _host_path if self.host else _path

    def _full_key_maker(self) -> KeyMaker:
        names = tuple(sorted(self.headers))
        uses_query = self.query
        facts = attrgetter(*sorted(self.connection)) if self.connection else _nothing

        def key(
            method: bytes,
            host: bytes,
            path: bytes,
            conn: Connection,
            headers: HeaderLookup,
            query: bytes | None,
        ) -> Hashable:
            values = tuple(map(tuple, map(headers.get_all, names)))
            return method, host, path, values, query if uses_query else None, facts(conn)

        return key


def _header_key_maker(name: bytes) -> KeyMaker:
    def key(
        method: bytes, host: bytes, path: bytes, conn: Connection, headers: HeaderLookup, query: bytes | None
    ) -> Hashable:
        return method, host, path, *headers.get_all(name)

    return key


def _headers_key_maker(names: tuple[bytes, ...]) -> KeyMaker:
    def key(
        method: bytes, host: bytes, path: bytes, conn: Connection, headers: HeaderLookup, query: bytes | None
    ) -> Hashable:
        return method, host, path, *map(tuple, map(headers.get_all, names))

    return key


def _connection_key_maker(fields: tuple[str, ...]) -> KeyMaker:
    facts = attrgetter(*fields)

    def key(
        method: bytes, host: bytes, path: bytes, conn: Connection, headers: HeaderLookup, query: bytes | None
    ) -> Hashable:
        return method, host, path, facts(conn)

    return key


def _any_port(patterns: Iterable[HostPattern]) -> bool:
    return any(pattern.port is not None for pattern in patterns)


def _nothing(conn: Connection) -> None:
    return None


def _method_host_path(
    method: bytes, host: bytes, path: bytes, conn: Connection, headers: HeaderLookup, query: bytes | None
) -> Hashable:
    return method, host, path


def _method_path(
    method: bytes, host: bytes, path: bytes, conn: Connection, headers: HeaderLookup, query: bytes | None
) -> Hashable:
    return method, path


def _host_path(
    method: bytes, host: bytes, path: bytes, conn: Connection, headers: HeaderLookup, query: bytes | None
) -> Hashable:
    return host, path


def _path(
    method: bytes, host: bytes, path: bytes, conn: Connection, headers: HeaderLookup, query: bytes | None
) -> Hashable:
    return path
