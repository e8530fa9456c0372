"""What the router is asked with: the facts of a connection and of one request.

``Connection`` and ``HeaderLookup`` are the contract with the proxy. ``Request`` is made for each decision
that is not in the cache, and is what conditions look at; it prepares what several of them need (the host
without its port).

It knows nothing of routes.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class Connection(NamedTuple):
    """Facts that hold for every request of a connection; make it once per connection.

    ``port`` is the listening port as clients see it (after ``port_maps``); ``src_*`` and ``dst_*`` are the
    ends of the connection, after the PROXY protocol.
    """

    scheme: bytes
    port: int
    sni: bytes | None
    src_ip: str
    src_port: int
    dst_ip: str
    dst_port: int


class HeaderLookup(Protocol):
    """The request's headers.

    Names are given in lower case with ``-``; a ``_`` in a name as it was sent counts as ``-``.
    """

    def get_all(self, name: bytes) -> list[bytes]:
        """Return every value of the header, in order; an empty list when there is none."""


class Request:
    """One request as conditions see it; host names are folded to lower case (RFC 9110, 4.2.3).

    ``found`` is what the last expensive condition (the ``finder``) found, so that the winner need not look
    again.
    """

    __slots__ = (
        "conn",
        "finder",
        "found",
        "headers",
        "host",
        "host_name",
        "host_port",
        "host_sent",
        "method",
        "path",
        "query",
    )

    def __init__(
        self,
        method: bytes,
        host: bytes,
        path: bytes,
        conn: Connection,
        headers: HeaderLookup,
        query: bytes | None,
    ) -> None:
        self.method = method
        self.host_sent = host
        self.host = host.lower()
        self.path = path
        self.conn = conn
        self.headers = headers
        self.query = query
        self.host_name = self.host
        self.host_port: int | None = None
        self.finder: object = None
        self.found: Any = None

    @property
    def port(self) -> int:
        """The port that the client means: of the Host header, else of the listener."""
        return self.conn.port if self.host_port is None else self.host_port

    @property
    def host_as_sent(self) -> bytes:
        """The host without its port, in the client's own spelling."""
        return self.host_sent[: len(self.host_name)]
