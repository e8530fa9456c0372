"""TLS with one client: a protocol to the plain connection, a transport to the ``ClientConnection`` above it.

The event loop has such a layer of its own. This one is for many short connections: it makes no timer, no task
and no future, since the sweep of the worker minds handshakes, too; nothing is made for a client that only
connects; and no packet is sent that another one could have carried. A client whose handshake fails is told
why by an alert, and one that speaks HTTP without TLS by a page.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from dbless_gateway.proxy.downstream import ClientConnection
    from dbless_gateway.proxy.gateway import Gateway

# A call never returns more than one record (RFC 8446 section 5.1), and Python makes room for what is asked for.
_RECORD_BYTES_MAX: Final = 16384
# What goes through OpenSSL's buffers at a time. They never shrink, so without it every connection would hold
# as much as its longest read or write until it ends.
_PIECE_BYTES: Final = 32768

# OpenSSL knows requests by their first bytes, but these methods only: GET, HEAD, POST, PUT, and CONNECT.
_HTTP_REASONS: Final = frozenset(("HTTP_REQUEST", "HTTPS_PROXY_REQUEST"))
# Any other method is an odd version for it. It has taken five bytes by then; what follows tells.
_ODD_REASON: Final = "WRONG_VERSION_NUMBER"
_REST_OF_LINE: Final = re.compile(rb"[A-Z]* ?[^ \r\n]+ HTTP/1\.[01]\r?\n")


class TlsTransport:
    """See the module. The event loop calls the methods below the line."""

    __slots__ = (
        "_connection",
        "_context",
        "_gateway",
        "_incoming",
        "_is_ending",
        "_outgoing",
        "_plain",
        "_session",
        "deadline",
        "is_open",
    )

    def __init__(self, gateway: Gateway, context: ssl.SSLContext, connection: ClientConnection) -> None:
        self._gateway = gateway
        self._context = context
        self._connection = connection
        self._plain: asyncio.Transport | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session: ssl.SSLObject | None = None  # None also for a client without TLS
        self.deadline = 0.0  # of the handshake
        self.is_open = False
        self._is_ending = False

    def write(self, data: bytes) -> None:
        """Send bytes."""
        plain, session = self._plain, self._session
        if plain is None or not data:
            return
        if session is None:
            plain.write(data)
            return
        try:
            if len(data) > _PIECE_BYTES:
                plain.writelines(self._encrypted(memoryview(data)))
                return
            session.write(data)
        except ssl.SSLError:
            self.abort()  # The client has broken TLS off.
            return
        if self._connection.keep_alive:
            self.flush()
        else:
            # Most likely the connection is closed in a moment, and the goodbye can go along.
            self._gateway.loop.call_soon(self.flush)

    def _encrypted(self, data: memoryview) -> list[bytes]:
        session = cast(ssl.SSLObject, self._session)
        pieces = []
        for start in range(0, len(data), _PIECE_BYTES):
            session.write(data[start : start + _PIECE_BYTES])
            pieces.append(self._outgoing.read())
        return pieces

    def flush(self) -> None:
        """Send what OpenSSL has ready for the client."""
        if self._plain is not None and self._outgoing.pending:
            self._plain.write(self._outgoing.read())

    def pause_reading(self) -> None:
        """Let the client wait."""
        if self._plain is not None:
            self._plain.pause_reading()

    def resume_reading(self) -> None:
        """Take more."""
        if self._plain is not None:
            self._plain.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say how many bytes may wait for the client before the connection is told to pause."""
        if self._plain is not None:
            self._plain.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known: ``ssl_object``, and what the plain transport knows."""
        if name == "ssl_object":
            return self._session
        return self._plain.get_extra_info(name, default) if self._plain is not None else default

    def close(self) -> None:
        """Say goodbye and close, unsent bytes first."""
        plain, session = self._plain, self._session
        if plain is None or self._is_ending:
            return
        self._is_ending = True
        if session is not None:
            # It asks for the client's goodbye, for which nobody waits; or TLS is broken, and there is none.
            with suppress(ssl.SSLError):
                session.unwrap()
            self.flush()
        plain.close()

    def abort(self) -> None:
        """Close at once; unsent bytes are lost."""
        self._is_ending = True
        if self._plain is not None:
            self._plain.abort()

    # ---- Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._plain = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance.
        gateway = self._gateway
        self.deadline = gateway.now + gateway.options.client_header_timeout
        gateway.handshakes.begin(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client, encrypted."""
        if not self.is_open:
            self._incoming.write(data)
            self._shake_hands()
        elif self._session is not None:
            self._receive(data)

    def _shake_hands(self) -> None:
        session = self._session
        if session is None:
            session = self._session = self._context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            self.flush()
        except ssl.SSLError as error:
            self._turn_away(error)
        else:
            self._open(session)

    def _open(self, session: ssl.SSLObject) -> None:
        """The handshake is over, and its last bytes may have brought the first request."""
        self.is_open = True
        # From TLS 1.3 on these are tickets for later, which can go with the first response.
        if session.version() == "TLSv1.3":
            self._gateway.handshakes.hold(self)
        else:
            self.flush()
        self._gateway.handshakes.end(self)
        self._connection.connection_made(cast(asyncio.BaseTransport, self))
        if self._incoming.pending:
            self._receive(b"")

    def _turn_away(self, error: ssl.SSLError) -> None:
        """Close, after a word to the client and one to the log."""
        gateway, connection = self._gateway, self._connection
        is_plain_http = error.reason in _HTTP_REASONS or (
            error.reason == _ODD_REASON and _REST_OF_LINE.match(self._incoming.read()) is not None
        )
        if is_plain_http:
            self._session = None
            self._outgoing.read()
        self.is_open = True
        gateway.handshakes.end(self)
        # To be counted, and to know who it is.
        connection.connection_made(cast(asyncio.BaseTransport, self))
        if is_plain_http:
            connection.write(gateway.plain_http_response(connection.peer_ip))
        else:
            gateway.log.info("client %s: the TLS handshake failed: %s", connection.peer_ip, _reason(error))
        connection.close()

    def _receive(self, data: bytes) -> None:
        pieces: list[bytes] = []
        has_ended = False
        try:
            if len(data) <= _PIECE_BYTES:
                has_ended = self._decrypt(data, pieces)
            else:
                view = memoryview(data)
                for start in range(0, len(data), _PIECE_BYTES):
                    has_ended = self._decrypt(view[start : start + _PIECE_BYTES], pieces)
        except ssl.SSLError as error:
            self._gateway.log.info("client %s: TLS failed: %s", self._connection.peer_ip, _reason(error))
            self.flush()
            self.abort()
            return
        if pieces:
            self._connection.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if has_ended:
            self._connection.close()

    def _decrypt(self, data: bytes | memoryview, pieces: list[bytes]) -> bool:
        """Add what the client says to the pieces; return whether it has said goodbye."""
        session, incoming = cast(ssl.SSLObject, self._session), self._incoming
        incoming.write(data)
        try:
            while incoming.pending or session.pending():
                piece = session.read(_RECORD_BYTES_MAX)
                if not piece:
                    return True
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass  # The rest of a record is still to come.
        return False

    def eof_received(self) -> bool:
        """The client sends no more, without a goodbye: it is gone; the plain transport closes."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._plain = None
        self._gateway.handshake_ended(self)
        if self.is_open:
            self._connection.connection_lost(error)

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        if self.is_open:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        if self.is_open:
            self._connection.resume_writing()


class Handshakes:
    """What the sweep of a worker minds of TLS: clients that take too long, and tickets that nothing carried."""

    __slots__ = ("_holding", "_shaking")

    def __init__(self) -> None:
        self._shaking: set[TlsTransport] = set()
        self._holding: set[TlsTransport] = set()

    def __len__(self) -> int:
        """Return how many handshakes are under way."""
        return len(self._shaking)

    def begin(self, transport: TlsTransport) -> None:
        """A client is expected to shake hands until the transport's deadline."""
        self._shaking.add(transport)

    def end(self, transport: TlsTransport) -> None:
        """It has, or it will not."""
        self._shaking.discard(transport)

    def hold(self, transport: TlsTransport) -> None:
        """Something for the client can wait for a moment."""
        self._holding.add(transport)

    def forget(self, transport: TlsTransport) -> None:
        """The connection is gone."""
        self._shaking.discard(transport)
        self._holding.discard(transport)

    def hurry(self, deadline: float) -> None:
        """Give nobody more time than until then."""
        for transport in self._shaking:
            transport.deadline = min(transport.deadline, deadline)

    def sweep(self, now: float) -> None:
        """Send what has waited, and close where a handshake has taken too long."""
        holding, self._holding = self._holding, set()
        for transport in holding:
            transport.flush()
        for transport in [found for found in self._shaking if found.deadline <= now]:
            transport.abort()

    def close(self) -> None:
        """Drop all whose handshake is under way."""
        for transport in list(self._shaking):
            transport.abort()


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verification failed: {error.verify_message}"
    return (error.reason or "the connection broke").replace("_", " ").lower()
