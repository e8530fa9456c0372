"""The plugins' view of an exchange: ``pdk.Context``, satisfied structurally by ``Exchange``, which inherits
this.

Everything here is made on demand: an exchange whose plugins ask for nothing pays for nothing. Nothing here
moves bytes or changes the course of the exchange; that is ``exchange.py``.
"""

from __future__ import annotations

import re
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from dbless_gateway.config.entities import Consumer, Credential, Route, Service
from dbless_gateway.http1.headers import Headers, TextHeaders
from dbless_gateway.pdk.query import parse_query
from dbless_gateway.pdk.record_text import RecordWriter
from dbless_gateway.proxy.forwarding import drop_identity

if TYPE_CHECKING:
    from dbless_gateway.balancing.hash_key import NewCookie
    from dbless_gateway.http1.request_head import RequestHead
    from dbless_gateway.pdk.reply import Reply
    from dbless_gateway.proxy.downstream import ClientConnection
    from dbless_gateway.proxy.gateway import Gateway
    from dbless_gateway.proxy.upload import Upload
    from dbless_gateway.routing.router import Match
    from dbless_gateway.runtime.peer import Peer
    from dbless_gateway.snapshot.plan import CompiledRoute, CompiledService
    from dbless_gateway.snapshot.steps import Chain


# What would end a request target, or the line that it stands in.
_BREAKS_TARGET: Final = re.compile(r"[\x00-\x20\x7f]")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class UpstreamRequest:
    """The request as the target will see it, once a plugin has asked to see or change it."""

    __slots__ = ("_host", "_method", "_path", "_query", "body", "headers", "target")

    def __init__(self, head: RequestHead, path: bytes) -> None:
        self.headers = TextHeaders(Headers(head.plain))
        self._method = head.method
        self._path = path
        self._query = head.query
        self._host: str | None = None
        self.body: bytes | None = None
        self.target: tuple[str, int] | None = None

    @property
    def method(self) -> str:
        """The method sent to the target."""
        return self._method.decode("latin-1")

    @method.setter
    def method(self, value: str) -> None:
        if not value.isalpha() or not value.isascii():
            raise ValueError(f"not a method: {value!r}")
        self._method = value.upper().encode("latin-1")

    @property
    def path(self) -> str:
        """The escaped path, without query."""
        return self._path.decode("latin-1")

    @path.setter
    def path(self, value: str) -> None:
        if not value.startswith("/") or _BREAKS_TARGET.search(value):
            raise ValueError(f"not a path: {value!r}")
        self._path = value.encode("utf-8", "surrogateescape")

    @property
    def query(self) -> str | None:
        """The raw query, without "?"."""
        return None if self._query is None else self._query.decode("latin-1")

    @query.setter
    def query(self, value: str | None) -> None:
        if value is not None and _BREAKS_TARGET.search(value):
            raise ValueError("a raw query cannot contain spaces or control characters")
        self._query = None if value is None else value.encode("latin-1", "replace")

    @property
    def host(self) -> str | None:
        """The Host header; None leaves it to the balancer."""
        return self._host

    @host.setter
    def host(self, value: str | None) -> None:
        if value is not None and (not value or not value.isprintable() or " " in value):
            raise ValueError(f"not a host: {value!r}")
        self._host = value

    def identify(self, block: bytes) -> None:
        """Say who the client is, in headers that later plugins see and may change."""
        raw = self.headers.raw
        drop_identity(raw)
        raw.extend(block)

    def set_target(self, host: str, port: int) -> None:
        """Send the request to this address instead of the service's."""
        self.target = (host, port)

    def wire(self) -> tuple[bytes, bytes, bytes | None, bytes]:
        """Return (method, path, query, block of header lines) for the target."""
        return self._method, self._path, self._query, self.headers.raw.block


class ResponseView:
    """The response's head while the header_filter steps run."""

    __slots__ = ("headers", "status")

    def __init__(self, status: int, headers: Headers) -> None:
        self.status = status
        self.headers = TextHeaders(headers)

    def whole_body(self) -> bytes | None:
        """The target's body, while it is held back."""
        return None

    def replace_body(self, body: bytes) -> None:
        """Send another body; only possible while the target's is held back."""
        raise RuntimeError("a body can be replaced in the phase response only")


class ExchangeContext:
    """What plugins may see and do; see ``pdk.context.Context`` for the meaning of each."""

    __slots__ = (
        "_query_args",
        "_shared",
        "_tries",
        "answered_at",
        "chain",
        "client",
        "client_ip",
        "compiled_route",
        "compiled_service",
        "consumer",
        "credential",
        "ended_at",
        "gateway",
        "head",
        "host_name",
        "identity_block",
        "match",
        "new_cookie",
        "path_bytes",
        "pending_headers",
        "position",
        "prefix",
        "request_id_bytes",
        "response_size",
        "response_view",
        "sent_at",
        "sent_block",
        "started",
        "status",
        "upload",
        "upstream_path",
        "upstream_request",
        "upstream_status",
    )

    # Set by Exchange, which explains them.
    gateway: Gateway
    client: ClientConnection
    head: RequestHead
    compiled_route: CompiledRoute | None
    compiled_service: CompiledService | None
    chain: Chain
    match: Match[CompiledRoute] | None
    position: int
    path_bytes: bytes
    upstream_path: bytes
    prefix: bytes | None
    host_name: bytes
    client_ip: str
    request_id_bytes: bytes
    upstream_request: UpstreamRequest | None
    identity_block: bytes | None
    new_cookie: NewCookie | None
    pending_headers: list[tuple[tuple[str, ...], tuple[str, ...], bool]] | None  # (.., replaces)
    response_view: ResponseView | None
    sent_block: bytes
    status: int
    consumer: Consumer | None
    credential: Credential | None
    started: float
    sent_at: float
    answered_at: float
    ended_at: float
    upstream_status: int | None
    response_size: int
    upload: Upload | None
    _tries: list[tuple[Peer, float, int | None]] | None  # (.., began, failed with)
    _shared: dict[str, Any] | None
    _query_args: dict[str, list[str | bool]] | None

    # The request, as the client sent it.

    @property
    def request_id(self) -> str:
        """32 hexadecimal digits."""
        return self.request_id_bytes.decode()

    @property
    def started_at(self) -> float:
        """Wall-clock seconds."""
        return self.gateway.wall_clock(self.started)

    @property
    def headers(self) -> TextHeaders:
        """All request headers."""
        return TextHeaders(self.head.headers)

    @property
    def method(self) -> str:
        """As sent."""
        return self.head.method.decode("latin-1")

    @property
    def scheme(self) -> str:
        """Of the connection."""
        return self.client.listener.scheme

    @property
    def host(self) -> str:
        """Host header without port, lower case."""
        return self.host_name.decode("latin-1")

    @property
    def port(self) -> int:
        """Of the listener, as clients see it."""
        return self.client.listener.port

    @property
    def path(self) -> str:
        """Normalised, without query."""
        return _text(self.path_bytes)

    @property
    def raw_path(self) -> str:
        """As received, without query."""
        return self.head.path.decode("latin-1")

    @property
    def raw_query(self) -> str | None:
        """As received, without "?"."""
        query = self.head.query
        return None if query is None else query.decode("latin-1")

    @property
    def http_version(self) -> str:
        """1.0 or 1.1."""
        return "1.1" if self.head.minor else "1.0"

    @property
    def peer_ip(self) -> str:
        """The other end of the connection."""
        return self.client.peer_ip

    @property
    def server_ip(self) -> str:
        """Our own end of the connection."""
        return self.client.facts.dst_ip

    @property
    def connection_serial(self) -> int:
        """Counts a worker's connections from 1."""
        return self.client.serial

    @property
    def connection_requests(self) -> int:
        """Counts this connection's requests from 1."""
        return self.client.requests

    @property
    def tls(self) -> Any:
        """What TLS agreed on, or None."""
        return self.client.tls_session()

    @property
    def forwarded_scheme(self) -> str:
        """X-Forwarded-Proto of a trusted peer, else the connection's scheme."""
        return self._believed(b"x-forwarded-proto") or self.scheme

    @property
    def forwarded_host(self) -> str:
        """X-Forwarded-Host of a trusted peer, else the Host without port."""
        return (self._believed(b"x-forwarded-host") or self.host).lower()

    @property
    def forwarded_port(self) -> int:
        """X-Forwarded-Port of a trusted peer, else the Host's port, else the listener's."""
        believed = self._believed(b"x-forwarded-port")
        if believed is not None and believed.isdigit():
            return int(believed)
        return self.port

    def query_args(self) -> dict[str, list[str | bool]]:
        """Decoded query arguments in order."""
        args = self._query_args
        if args is None:
            args = self._query_args = {}
            if self.head.query:
                for name, value in parse_query(self.head.query.decode("latin-1")):
                    args.setdefault(name, []).append(value)
        return args

    def _believed(self, name: bytes) -> str | None:
        if not self.client.trusted:
            return None
        value = self.head.special.get(name)
        return value.decode("latin-1") if value else None

    # What a hash key can be made of (balancing.hash_key.KeySource).

    def consumer_id(self) -> str | None:
        """The consumer's id, else the credential's."""
        if self.consumer is not None:
            return self.consumer.id
        return self.credential.id if self.credential is not None else None

    def header_values(self, name: bytes) -> list[bytes]:
        """Every value of a request header."""
        return self.head.headers.get_all(name)

    def cookie(self, name: str) -> str | None:
        """The value of a request cookie."""
        for line in self.headers.get_all("cookie"):
            for part in line.split(";"):
                found, equals, value = part.strip().partition("=")
                if equals and found == name:
                    return value
        return None

    def query_values(self, name: str) -> list[str | bool]:
        """The decoded values of one query argument."""
        return self.query_args().get(name, [])

    def capture(self, name: str) -> str | None:
        """A named or numbered group of the route's pattern."""
        captures = self.captures
        if captures is None:
            return None
        if name.isdigit():
            number = int(name) if len(name) < 4 else 1000
            return captures.unnamed[number] if number < len(captures.unnamed) else None
        value: str | None = captures.named.get(name)
        return value

    # Where it goes.

    @property
    def route(self) -> Route | None:
        """The matched route."""
        return self.compiled_route.entity if self.compiled_route is not None else None

    @property
    def service(self) -> Service | None:
        """The route's service."""
        return self.compiled_service.entity if self.compiled_service is not None else None

    @property
    def captures(self) -> Any:
        """What the groups of the route's pattern matched."""
        return self.match.captures if self.match is not None else None

    @property
    def upstream(self) -> UpstreamRequest:
        """The request that the target will see."""
        request = self.upstream_request
        if request is None:
            request = self.upstream_request = UpstreamRequest(self.head, self.upstream_path)
            if self.identity_block is not None:
                request.identify(self.identity_block)
        return request

    # Who it is.

    def authenticate(self, consumer: Consumer | None, credential: Credential | None) -> None:
        """Set consumer and credential; later plugins and the target see them."""
        self.consumer = consumer
        self.credential = credential
        block = self.identity_block = self.gateway.identity_blocks.of(consumer, credential)
        route = self.compiled_route
        if consumer is not None and route is not None:
            self.chain = route.chains.for_consumer(consumer.id, self.position)
        if self.upstream_request is not None:
            self.upstream_request.identify(block)

    # The answer.

    def set_response_header(self, name: str, value: str) -> None:
        """Set a header of the coming response."""
        self.set_response_headers((name,), (value,))

    def set_response_headers(self, names: tuple[str, ...], values: tuple[str, ...]) -> None:
        """Set several headers of the coming response."""
        pending = self.pending_headers
        if pending is None:
            self.pending_headers = [(names, values, True)]
        else:
            pending.append((names, values, True))

    def add_response_header(self, name: str, value: str) -> None:
        """Add a line to the coming response."""
        pending = self.pending_headers
        if pending is None:
            self.pending_headers = [((name,), (value,), False)]
        else:
            pending.append(((name,), (value,), False))

    @property
    def response(self) -> ResponseView:
        """The response's head; only from header_filter on."""
        view = self.response_view
        if view is None:
            if not self.status:
                raise RuntimeError("there is no response before header_filter")
            # Only logs look at what was sent; where nothing was, because the client had gone, at the status.
            view = self.response_view = ResponseView(self.status, Headers(self.sent_block))
        return view

    @property
    def response_body(self) -> bytes | None:
        """The target's whole body; only in the phase response."""
        return self.response.whole_body()

    def set_response_body(self, body: bytes) -> None:
        """Send another body; only in the phase response."""
        self.response.replace_body(body)

    @property
    def request_body(self) -> bytes | None:
        """The whole body, when a plugin asked for it and it was not too large."""
        if self.upload is None:
            return b""
        return self.upload.whole()

    def limit_request_body(self, limit_bytes: int, reply: Reply) -> None:
        """Answer so when a body of unknown length turns out to be larger."""
        upload = self.upload
        if upload is not None:
            upload.limit_bytes, upload.limit_reply = limit_bytes, reply

    @property
    def shared(self) -> dict[str, Any]:
        """Notes between the plugins of one request."""
        notes = self._shared
        if notes is None:
            notes = self._shared = {}
        return notes

    # For the log phase.

    @property
    def source(self) -> str:
        """Who made the response."""
        return "upstream" if self.upstream_status is not None else "kong"

    @property
    def request_size(self) -> int:
        """Bytes of the request, its head included."""
        return self.head.size + (self.upload.received_bytes if self.upload is not None else 0)

    @property
    def tries(self) -> list[dict[str, Any]]:
        """What the balancer tried, in order."""
        return [self._try_record(*noted) for noted in self._tries or ()]

    def note_try(self, peer: Peer, failed_with: int | None = None) -> None:
        """Remember one try for the logs."""
        if self._tries is None:
            self._tries = []
        self._tries.append((peer, self.sent_at, failed_with))

    def _try_record(self, peer: Peer, began_at: float, failed_with: int | None) -> dict[str, Any]:
        start = self.gateway.wall_clock(began_at)
        record: dict[str, Any] = {
            "balancer_start": int(start * 1000),
            "balancer_start_ns": int(start * 1e9),
            "balancer_latency": 0,
            "balancer_latency_ns": 0,
            "ip": peer.ip,
            "port": peer.port,
        }
        if failed_with is not None:
            record |= {"state": "failed", "code": failed_with}
        return record

    @property
    def upstream_uri(self) -> str:
        """Path and query as the target saw them."""
        if self.match is None:
            return ""
        if self.upstream_request is not None:
            _, path, query, _ = self.upstream_request.wire()
        else:
            path, query = self.upstream_path, self.head.query
        return _text(path if query is None else path + b"?" + query)

    @property
    def latency_total_ms(self) -> int:
        """From the first byte to the last."""
        return int(((self.ended_at or monotonic()) - self.started) * 1000)

    @property
    def latency_kong_ms(self) -> int:
        """Until the target was contacted, or the response was made."""
        until = self.sent_at or self.answered_at or self.ended_at or monotonic()
        return max(0, int((until - self.started) * 1000))

    @property
    def latency_upstream_ms(self) -> int:
        """Until the target's head; -1 when not proxied."""
        if not self.sent_at or not self.answered_at:
            return -1
        return int((self.answered_at - self.sent_at) * 1000)

    @property
    def latency_receive_ms(self) -> int:
        """Of the target's body; 0 when not proxied."""
        if not self.sent_at or not self.answered_at:
            return 0
        return int(((self.ended_at or monotonic()) - self.answered_at) * 1000)

    def record(self, writer: RecordWriter) -> str:
        """What the log record says."""
        response, listener = self.response, self.client.listener
        return writer.record(
            request_id=self.request_id,
            method=self.method,
            scheme=listener.scheme,
            host=self.host,
            port=listener.port,
            path=self.raw_path,
            query=self.raw_query,
            request_headers=self.head.headers.block,
            request_size=self.request_size,
            tls=self.tls,
            upstream_uri=self.upstream_uri,
            upstream_status=self.upstream_status,
            status=response.status,
            response_headers=response.headers.raw.block,
            response_size=self.response_size,
            total_ms=self.latency_total_ms,
            kong_ms=self.latency_kong_ms,
            upstream_ms=self.latency_upstream_ms,
            receive_ms=self.latency_receive_ms,
            client_ip=self.client_ip,
            started_at=self.started_at,
            source=self.source,
            route=self.route,
            service=self.service,
            consumer=self.consumer,
            credential=self.credential,
            tries=self.tries,
        )
