"""One client connection: feeds the parser, notes the time, hands requests to exchanges one after the other.

Decides nothing about a request. Pipelined requests wait in the buffer, with reading paused when it fills,
until the exchange before them has ended.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from dbless_gateway.http1.request_head import Refusal, parse_request_head
from dbless_gateway.pdk.context import TlsSession
from dbless_gateway.proxy.client_address import PROXY_PROTOCOL, is_trusted
from dbless_gateway.proxy.exchange import Exchange
from dbless_gateway.proxy.forwarding import ForwardedFacts, split_host
from dbless_gateway.proxy.lifecycle import RequestSide
from dbless_gateway.routing.request import Connection

if TYPE_CHECKING:
    from dbless_gateway.proxy.gateway import Gateway
    from dbless_gateway.proxy.tunnel import Tunnel

# Requests sent ahead of their turn are held up to this much; then the client waits.
_PIPELINE_LIMIT_BYTES: Final = 65536
# Empty lines before a request line are legal (RFC 9112 section 2.2), a flood of them is not.
_MAX_LEADING_BLANK_BYTES: Final = 16
_FIRST_VISIBLE: Final = 0x21
_TLS_HANDSHAKE: Final = 0x16

# A client that was let in just before the gateway ends has this long for its handshake, and for its request.
LAST_CALL_S: Final = 2.0

_NEVER: Final = float("inf")


class Listener(NamedTuple):
    """What every connection of one listening address has in common; ``port`` is as clients see it."""

    scheme: str
    port: int


class _TlsFacts:
    """``pdk.context.TlsSession``."""

    __slots__ = ("cipher", "client_verify", "version")

    def __init__(self, session: ssl.SSLObject) -> None:
        self.version = session.version() or ""
        cipher = session.cipher()
        self.cipher = cipher[0] if cipher else ""
        self.client_verify = "SUCCESS" if session.getpeercert() else "NONE"


class ClientConnection:
    """See the module. The event loop calls the methods below the line."""

    __slots__ = (
        "_buffer",
        "_exchange",
        "_gateway",
        "_has_partial",
        "_is_paused",
        "_source",
        "closed",
        "deadline",
        "facts",
        "forwarded",
        "host",
        "host_name",
        "is_full",
        "keep_alive",
        "listener",
        "peer_ip",
        "requests",
        "serial",
        "transport",
        "trusted",
        "tunnel",
    )

    def __init__(self, gateway: Gateway, listener: Listener, source: tuple[str, int] | None = None) -> None:
        self._gateway = gateway
        self._source = source  # of the PROXY protocol
        self.listener = listener
        # The connection.
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self.is_full = False
        self._is_paused = False
        self.deadline = _NEVER
        self.peer_ip = ""
        self.serial = 0
        self.requests = 0
        self.trusted = False
        self.tunnel: Tunnel | None = None
        # The request.
        self.host: bytes | None = None  # of the last one: clients that change it are rare
        self.host_name = b""
        self._buffer = b""
        self._has_partial = False
        self._exchange: Exchange | None = None
        self.keep_alive = True

    def write(self, data: bytes) -> None:
        """Send bytes; to a closed connection they are lost."""
        transport = self.transport
        if transport is not None and not self.closed:
            transport.write(data)

    def pause_reading(self) -> None:
        """Let the client wait."""
        if not self._is_paused and self.transport is not None and not self.closed:
            self._is_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more."""
        if self._is_paused and self.transport is not None and not self.closed:
            self._is_paused = False
            self.transport.resume_reading()

    def may_persist(self) -> bool:
        """Tell whether another request may come on this connection."""
        gateway = self._gateway
        limit = gateway.options.keepalive_requests
        return not gateway.is_draining and (limit == 0 or self.requests < limit)

    def name_of(self, host: bytes | None) -> bytes:
        """Return the name in a Host header, in lower case and without its port."""
        self.host = host
        self.host_name = split_host(host)[0] if host else b""
        return self.host_name

    def keep_rest(self, rest: bytes) -> None:
        """Keep what followed a request's body: the next request."""
        self._buffer = rest

    def take_rest(self) -> bytes:
        """Return what came behind the request, and forget it."""
        rest, self._buffer = self._buffer, b""
        return rest

    def abort(self) -> None:
        """Close at once; unsent bytes are lost."""
        self.keep_alive = False
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """Close, unsent bytes first; a client that does not take them in time loses them."""
        self.closed = True
        self.deadline = self._gateway.now + self._gateway.options.send_timeout
        if self.transport is not None:
            self.transport.close()

    def exchange_ended(self) -> None:
        """The exchange is over: take the next request, wait for one, or close."""
        if self._exchange is not None:
            self._exchange = None
            self._gateway.active_exchanges -= 1
        if self.closed:
            return
        if not self.keep_alive:
            self.close()
            return
        gateway = self._gateway
        self.deadline = gateway.now + gateway.options.keepalive_timeout
        self._has_partial = False
        if self._is_paused:
            self.resume_reading()
        if self._buffer:
            # Not from here: a hundred pipelined requests would be a hundred frames deep.
            gateway.loop.call_soon(self._take_buffered)
        elif gateway.is_draining:
            self.close()

    @property
    def is_idle(self) -> bool:
        """No request is under way."""
        return self._exchange is None and not self._buffer

    @property
    def is_reading(self) -> bool:
        """A part of a request's head is here."""
        return self._exchange is None and bool(self._buffer)

    def on_deadline(self) -> None:
        """The time of whoever we waited for is over."""
        self.deadline = _NEVER
        if self.closed:
            self.abort()
        elif self.tunnel is not None:
            self.tunnel.close()
        elif self._exchange is not None:
            self._exchange.guarded(self._exchange.on_deadline)
        elif self._buffer:
            self._refuse(Refusal(408, "the head took too long"))
        else:
            self.close()

    def tls_session(self) -> TlsSession | None:
        """Return what TLS agreed on, or None."""
        session = self.transport.get_extra_info("ssl_object") if self.transport is not None else None
        return _TlsFacts(session) if session is not None else None

    # ---- Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance.
        self.transport = transport
        gateway = self._gateway
        peer = transport.get_extra_info("peername") or ("127.0.0.1", 0)
        here = transport.get_extra_info("sockname") or ("127.0.0.1", 0)
        if isinstance(here, (str, bytes)):  # A unix socket; its peer has no name at all.
            peer, here = ("127.0.0.1", 0), ("127.0.0.1", 0)
            self.trusted = gateway.options.trust_unix
        else:
            self.trusted = is_trusted(peer[0], gateway.options.trusted_ips)
        source = self._source
        if source is not None and self.trusted and gateway.options.real_ip_header == PROXY_PROTOCOL:
            peer = source
        self.peer_ip = peer[0]
        session = transport.get_extra_info("ssl_object")
        sni = getattr(session, "gateway_sni", None)
        self.facts = Connection(
            self.listener.scheme.encode(),
            self.listener.port,
            sni.encode("latin-1", "replace") if sni else None,
            peer[0],
            peer[1],
            here[0],
            here[1],
        )
        self.forwarded = ForwardedFacts(self.peer_ip, self.listener.scheme, self.listener.port)
        self.serial = gateway.connection_opened(self)
        self.deadline = gateway.now + (
            LAST_CALL_S if gateway.is_draining else gateway.options.client_header_timeout
        )
        if gateway.is_crowded:
            self._shed("client connections", gateway.max_connections)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        exchange = self._exchange
        if exchange is None:
            if self._buffer:
                data = self._buffer + data
                self._buffer = b""
            self._take(data)
        elif self.tunnel is not None:
            self.tunnel.from_client(data)
        elif exchange.request_side is RequestSide.BODY and exchange.upload is not None:
            exchange.guarded(exchange.upload.feed, data)
        else:
            self._buffer += data
            if len(self._buffer) > _PIPELINE_LIMIT_BYTES:
                self.pause_reading()

    def _take_buffered(self) -> None:
        if self._exchange is None and self._buffer and not self.closed:
            self._take(self.take_rest())

    def _take(self, data: bytes) -> None:
        """Start an exchange when a head is complete."""
        if data[0] < _FIRST_VISIBLE:
            data = self._skip_blank_lines(data)
            if not data:
                return
        gateway = self._gateway
        try:
            request = parse_request_head(data, gateway.judge)
        except Refusal as refusal:
            self._refuse(refusal)
            return
        if request is None:
            self._keep_partial(data)
            return
        size = len(request.raw)
        rest = b"" if size == len(data) else data[size:]
        if gateway.active_exchanges >= gateway.max_exchanges:
            self._shed("requests in flight", gateway.max_exchanges)
            return
        self.requests += 1
        if request.body is None and rest:
            self._buffer = rest
            rest = b""
        gateway.active_exchanges += 1
        exchange = self._exchange = Exchange(gateway, self, request)
        try:
            exchange.begin(rest)
        except Exception:  # noqa: BLE001 - the containment boundary
            exchange.crash()

    def _keep_partial(self, data: bytes) -> None:
        """Wait for the rest of a head; its time runs from its first byte."""
        if not self._has_partial:
            self._has_partial = True
            self.deadline = self._gateway.now + self._gateway.options.client_header_timeout
        self._buffer = data

    def _skip_blank_lines(self, data: bytes) -> bytes:
        if data[0] == _TLS_HANDSHAKE:
            self._refuse(Refusal(400, "TLS on a port without TLS"))
            return b""
        rest = data.lstrip(b"\r\n")
        blank = data[: len(data) - len(rest)]
        # Half a line break may be the last thing that has come so far.
        odd = blank.replace(b"\r\n", b"")
        if len(blank) > _MAX_LEADING_BLANK_BYTES or (odd and (rest or odd != b"\r" or blank[-1:] != b"\r")):
            self._refuse(Refusal(400, "line feeds before the request line"))
            return b""
        if not rest:
            self._buffer = blank
        return rest

    def _refuse(self, refusal: Refusal) -> None:
        """Answer bytes that are no request that can be served, and close."""
        self._gateway.judge.reset()
        self.keep_alive = False
        self.write(self._gateway.refusal_response(refusal, self.peer_ip))
        self.close()

    def _shed(self, what: str, limit: int) -> None:
        """Send the client away: there is no room for it."""
        self._gateway.overload.refuse(what, limit)
        self._refuse(Refusal(503, f"overloaded: {limit} {what}"))

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        self.is_full = True
        if self.tunnel is not None:
            self.tunnel.client_full()
        elif self._exchange is not None:
            self._exchange.guarded(self._exchange.on_client_full)

    def resume_writing(self) -> None:
        """It does again."""
        self.is_full = False
        if self.tunnel is not None:
            self.tunnel.client_writable()
        elif self._exchange is not None:
            self._exchange.guarded(self._exchange.on_client_writable)

    def eof_received(self) -> bool:
        """The client sends no more: it is gone, as for nginx; the transport closes."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self.closed = True
        self.transport = None
        self.deadline = _NEVER
        self._gateway.connection_closed(self)
        tunnel, exchange = self.tunnel, self._exchange
        if tunnel is not None:
            tunnel.client_lost()
        elif exchange is not None:
            exchange.guarded(exchange.on_client_gone)
        if self._exchange is not None:
            self._exchange = None
            self._gateway.active_exchanges -= 1
