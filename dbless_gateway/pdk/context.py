"""Context: what a plugin's step may see and do.

A ``typing.Protocol``, which the proxy's exchange satisfies structurally: there is no wrapper object per
request. All text is ``str``; header values are latin-1. Header names are case-insensitive, and ``-`` equals
``_``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from dbless_gateway.config.entities import Consumer, Credential, Route, Service
from dbless_gateway.pdk.reply import Reply

if TYPE_CHECKING:
    from dbless_gateway.pdk.record_text import RecordWriter

__all__ = [
    "Captures",
    "Consumer",
    "Context",
    "Credential",
    "HeaderEditor",
    "HeaderView",
    "Response",
    "Route",
    "Service",
    "TlsSession",
    "UpstreamRequest",
]


class HeaderView(Protocol):
    """Headers to read."""

    def get(self, name: str) -> str | None:
        """Return the first value, or None."""

    def get_all(self, name: str) -> list[str]:
        """Return every value, in order of appearance."""

    def items(self) -> list[tuple[str, str]]:
        """Return all (name, value) pairs, names as they were sent."""


class HeaderEditor(HeaderView, Protocol):
    """Headers to read and change."""

    def set(self, name: str, value: str) -> None:
        """Replace every value by this one, or add it."""

    def add(self, name: str, value: str) -> None:
        """Append one more line."""

    def remove(self, name: str) -> None:
        """Remove every line of that name."""


class Captures(Protocol):
    """What the groups of a route's regular expression matched."""

    unnamed: tuple[str | None, ...]  # index 0 is the whole match
    named: dict[str, str | None]


class UpstreamRequest(Protocol):
    """The request that the target will see; valid from rewrite to the end of access."""

    @property
    def headers(self) -> HeaderEditor: ...  # without Host and without what the gateway itself adds

    method: str
    path: str  # escaped, without query
    query: str | None  # raw, without "?"
    host: str | None  # overrides the Host header; None: as the balancer says
    body: bytes | None  # None: the client's body, untouched

    def set_target(self, host: str, port: int) -> None:
        """Send the request to this address instead of the service's."""


class Response(Protocol):
    """The response that the client will see; valid from response and header_filter on."""

    status: int

    @property
    def headers(self) -> HeaderEditor: ...


class TlsSession(Protocol):
    """What the client's TLS connection agreed on."""

    version: str  # "TLSv1.3"
    cipher: str
    client_verify: str  # "NONE", "SUCCESS" or "FAILED:<reason>"


class Context(Protocol):
    """One exchange, as plugins see it."""

    # The request, as the client sent it.
    request_id: str
    started_at: float  # wall clock, seconds since the epoch

    @property
    def headers(self) -> HeaderView: ...
    @property
    def method(self) -> str: ...
    @property
    def scheme(self) -> str: ...  # of the connection: "http" or "https"
    @property
    def host(self) -> str: ...  # Host header without port, lower case
    @property
    def port(self) -> int: ...  # of the listener
    @property
    def path(self) -> str: ...  # normalised, without query
    @property
    def raw_path(self) -> str: ...  # as received, without query
    @property
    def raw_query(self) -> str | None: ...  # as received, without "?"
    @property
    def http_version(self) -> str: ...  # "1.0" or "1.1"
    @property
    def client_ip(self) -> str: ...  # after real-ip processing
    @property
    def peer_ip(self) -> str: ...  # of the connection
    @property
    def server_ip(self) -> str: ...  # our own end of the connection
    @property
    def connection_serial(self) -> int: ...  # counts a worker's connections from 1
    @property
    def connection_requests(self) -> int: ...  # counts this connection's requests from 1
    @property
    def tls(self) -> TlsSession | None: ...  # None: not encrypted
    @property
    def forwarded_scheme(self) -> str: ...
    @property
    def forwarded_host(self) -> str: ...
    @property
    def forwarded_port(self) -> int: ...
    def query_args(self) -> dict[str, list[str | bool]]:
        """Return decoded query arguments in order; True stands for an argument without ``=``."""

    @property
    def request_body(self) -> bytes | None:
        """The whole body, for handlers with ``needs_request_body``; None when it was larger than the
        buffer.
        """

    def limit_request_body(self, limit_bytes: int, reply: Reply) -> None:
        """Answer so, instead of forwarding on, when a body of unknown length turns out to be larger."""

    # Where it goes.
    @property
    def route(self) -> Route | None: ...
    @property
    def service(self) -> Service | None: ...
    @property
    def captures(self) -> Captures | None: ...
    @property
    def upstream(self) -> UpstreamRequest: ...

    # Who it is.
    @property
    def consumer(self) -> Consumer | None: ...
    @property
    def credential(self) -> Credential | None: ...
    def authenticate(self, consumer: Consumer | None, credential: Credential | None) -> None:
        """Set consumer and credential, and the X-Consumer-* headers; a consumer without credential is
        anonymous. X-Credential-Identifier is ``identity.credential_identifier``.

        From here on consumer-scoped instances of later plugins apply.
        """

    # The answer.
    def set_response_header(self, name: str, value: str) -> None:
        """Set a header of the coming response, whoever makes it. For phases before header_filter."""

    def set_response_headers(self, names: tuple[str, ...], values: tuple[str, ...]) -> None:
        """Set several at once, at the price of about one; ``names`` should be the same tuple every time."""

    def add_response_header(self, name: str, value: str) -> None:
        """Add a header line to the coming response, whoever makes it. For phases before header_filter."""

    @property
    def response(self) -> Response: ...
    @property
    def response_body(self) -> bytes | None:
        """The target's whole body as it was sent, in the phase response; None when it is larger than what is
        held back.
        """

    def set_response_body(self, body: bytes) -> None:
        """Send another body, whole; only in the phase response. A Content-Encoding stays as it is."""

    # Between plugins of one request.
    shared: dict[str, Any]

    # For the log phase; times in milliseconds, sizes in bytes.
    @property
    def source(self) -> str: ...  # "upstream" or "kong"
    @property
    def upstream_status(self) -> int | None: ...
    @property
    def upstream_uri(self) -> str: ...
    @property
    def request_size(self) -> int: ...
    @property
    def response_size(self) -> int: ...
    @property
    def latency_total_ms(self) -> int: ...
    @property
    def latency_kong_ms(self) -> int: ...
    @property
    def latency_upstream_ms(self) -> int: ...  # -1 when not proxied
    @property
    def latency_receive_ms(self) -> int: ...  # of the target's body; 0 when not proxied
    @property
    def tries(self) -> list[dict[str, Any]]: ...
    def record(self, writer: RecordWriter) -> str:
        """Return what the log record says of this exchange; ``Recorder`` asks, and adds what others set."""
