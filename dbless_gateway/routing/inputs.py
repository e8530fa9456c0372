"""Which inputs of a request some route looks at, and the cache key made from just those.

Two requests with the same key get the same decision. The fewer inputs a table uses, the more requests share
one; the usual table needs a tuple of two or three byte strings.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

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
from dbless_gateway.routing.expressions.tree import Node, fields_of
from dbless_gateway.routing.request import Connection, HeaderLookup
from dbless_gateway.routing.traditional import TraditionalHostIn

KeyMaker = Callable[[bytes, bytes, bytes, Connection, HeaderLookup, bytes | None], Hashable]


class Inputs:
    """Collected while a router is built; the path is always used, since it decides what the target is
    asked.
    """

    __slots__ = ("connection", "headers", "host", "method", "query")

    def __init__(self) -> None:
        self.method = False
        self.host = False
        self.query = False
        self.connection = False
        self.headers: set[bytes] = set()

    def note(self, conditions: Iterable[Condition]) -> None:
        """Take in what a rule looks at."""
        for condition in conditions:
            if isinstance(condition, MethodIn):
                self.method = True
            elif isinstance(condition, HeaderIs):
                self.headers.add(condition.name)
            elif isinstance(condition, TraditionalHostIn):
                self.host = True
                self.connection |= bool(condition.wildcards)
            elif isinstance(condition, HostIn):
                self.host = True
                # Without a port in the Host header, the listener's counts.
                self.connection |= any(pattern.port is not None for pattern in condition.patterns)
            elif isinstance(condition, DestinationIn):
                self.host = self.connection = True
            elif isinstance(condition, ExpressionHolds):
                self._note_fields(condition.tree)
            elif isinstance(condition, (SniIn, SourceIn, ProtocolIn)):
                self.connection = True

    def _note_fields(self, tree: Node) -> None:
        for field in fields_of(tree):
            if field.startswith("net."):
                # The destination's port may come from the Host header.
                self.connection = self.host = True
            elif field == "tls.sni":
                self.connection = True
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
        if self.headers or self.query or self.connection:
            return self._full_key_maker()
        if self.method and self.host:
            return _method_host_path
        if self.method:
            return _method_path
        return _host_path if self.host else _path

    def _full_key_maker(self) -> KeyMaker:
        names = tuple(sorted(self.headers))
        uses_query, uses_connection = self.query, self.connection

        def key(
            method: bytes,
            host: bytes,
            path: bytes,
            conn: Connection,
            headers: HeaderLookup,
            query: bytes | None,
        ) -> Hashable:
            values = tuple([tuple(headers.get_all(name)) for name in names])
            return (
                method,
                host,
                path,
                values,
                query if uses_query else None,
                conn if uses_connection else None,
            )

        return key


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
