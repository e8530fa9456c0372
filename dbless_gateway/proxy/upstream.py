"""One connection to a peer: dialled, used by one exchange after the other, kept idle in between.

Parses responses and hands them to the exchange; decides nothing. Bytes that come while nobody asked, or after
the end of a response, never reach a client: they end the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import TYPE_CHECKING, Final, cast

from dbless_gateway.http1.bodies import BadBody, ChunkedBody, UntilClose
from dbless_gateway.http1.response_head import BadResponse, ResponseHead, parse_response_head
from dbless_gateway.proxy import failures

if TYPE_CHECKING:
    from dbless_gateway.proxy.exchange import Exchange
    from dbless_gateway.proxy.gateway import Gateway
    from dbless_gateway.proxy.tunnel import Tunnel

# Interim responses are swallowed; a target that sends nothing else is broken.
_MAX_INTERIM_RESPONSES: Final = 16


class TargetConnection:
    """See the module. The event loop calls the methods below the line."""

    __slots__ = (
        "_buffer",
        "_gateway",
        "_interim",
        "_is_paused",
        "_response",
        "closed",
        "dialing",
        "exchange",
        "idle_since",
        "is_full",
        "key",
        "requests",
        "transport",
        "tunnel",
        "was_reused",
    )

    def __init__(self, gateway: Gateway, key: Hashable) -> None:
        self._gateway = gateway
        self.key = key
        # The connection.
        self.transport: asyncio.Transport | None = None
        self.dialing: asyncio.Task[None] | None = None
        self.closed = False
        self.is_full = False
        self.idle_since = 0.0
        self.requests = 0
        self.tunnel: Tunnel | None = None
        # The exchange.
        self.exchange: Exchange | None = None
        self.was_reused = False
        self._is_paused = False
        self._interim = 0
        self._response: ResponseHead | None = None
        self._buffer = b""

    def begin(self, exchange: Exchange) -> None:
        """Belong to this exchange until ``release`` or ``abandon``."""
        self.exchange = exchange
        self.was_reused = self.requests > 0
        self.requests += 1
        self._interim = 0

    def is_ours(self, exchange: Exchange) -> bool:
        """Tell whether this exchange has sent its head here."""
        return self.exchange is exchange and self.transport is not None and self.requests > 0

    def write(self, data: bytes) -> None:
        """Send bytes; to a closed connection they are lost, and ``connection_lost`` will tell."""
        transport = self.transport
        if transport is not None and not self.closed:
            transport.write(data)

    def pause_reading(self) -> None:
        """Let the target wait."""
        if self.transport is not None and not self.closed and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more."""
        if self._is_paused and self.transport is not None and not self.closed:
            self._is_paused = False
            self.transport.resume_reading()

    def trailers(self) -> bytes:
        """Return the trailers of the response, as a header block."""
        response = self._response
        body = response.body if response is not None else None
        return body.trailers if isinstance(body, ChunkedBody) else b""

    def release(self) -> None:
        """The exchange is complete: wait for the next one, if the target agrees."""
        response = self._response
        self.exchange = None
        self._response = None
        if response is None or not response.keep_alive or self.closed or self._is_used_up():
            self.close()
            return
        if self._is_paused:
            self.resume_reading()
        gateway = self._gateway
        gateway.pools.give(self.key, self, gateway.now)

    def _is_used_up(self) -> bool:
        limit = self._gateway.options.upstream_keepalive_max_requests
        return limit != 0 and self.requests >= limit

    def abandon(self) -> None:
        """The exchange goes on without this connection."""
        self.exchange = None
        if self.dialing is not None:
            self.dialing.cancel()
            self.dialing = None
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """Close it, unsent bytes first."""
        self.closed = True
        if self.transport is not None:
            self.transport.close()

    # ---- Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Dialling succeeded."""
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance.
        self.transport = transport
        if self.closed:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes of the target."""
        if self.tunnel is not None:
            self.tunnel.from_target(data)
            return
        exchange = self.exchange
        if exchange is None:
            self.close()
            return
        try:
            if self._response is None:
                self._take_head(exchange, data)
            else:
                self._take_body(exchange, self._response, data)
        except (BadResponse, BadBody) as error:
            exchange.guarded(exchange.on_target_failed, failures.INVALID_RESPONSE, str(error))
        except Exception:  # noqa: BLE001 - an exchange's bug must not surface in its target's callback
            exchange.crash()

    def _take_body(self, exchange: Exchange, response: ResponseHead, data: bytes) -> None:
        body = response.body
        if body is None or body.done:
            response.keep_alive = False
            return
        pieces = body.feed(data)
        if body.done and body.rest:
            response.keep_alive = False
        exchange.on_response_body(pieces, body.done)

    def _take_head(self, exchange: Exchange, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        response = parse_response_head(data, exchange.head.is_head)
        if response is None:
            self._buffer = data
            return
        rest = data[response.size :]
        if response.status < 200:
            self._take_interim(exchange, response, rest)
            return
        self._response = response
        body = response.body
        if body is None:
            if rest:
                response.keep_alive = False
            exchange.on_response(response, [], True)
        elif response.length is not None and len(rest) == response.length:
            body.done = True
            exchange.on_response(response, [rest], True)
        else:
            pieces = body.feed(rest) if rest else []
            if body.done and body.rest:
                response.keep_alive = False
            exchange.on_response(response, pieces, body.done)

    def _take_interim(self, exchange: Exchange, response: ResponseHead, rest: bytes) -> None:
        """Swallow a 1xx response, as nginx does; 101 is final."""
        if response.status == 101:
            upgrade = response.special.get(b"upgrade", b"websocket").lower()
            if not exchange.wants_upgrade or upgrade != b"websocket":
                raise BadResponse("switched to a protocol that nobody asked for")
            self._response = response
            exchange.on_response(response, [rest] if rest else [], True)
            return
        self._interim += 1
        if self._interim > _MAX_INTERIM_RESPONSES:
            raise BadResponse("too many interim responses")
        if rest:
            self._take_head(exchange, rest)

    def pause_writing(self) -> None:
        """The target's receive window is full."""
        self.is_full = True
        if self.tunnel is not None:
            self.tunnel.target_full()
        elif self.exchange is not None:
            self.exchange.guarded(self.exchange.on_target_full)

    def resume_writing(self) -> None:
        """It takes more again."""
        self.is_full = False
        if self.tunnel is not None:
            self.tunnel.target_writable()
        elif self.exchange is not None:
            self.exchange.guarded(self.exchange.on_target_writable)

    def eof_received(self) -> bool:
        """The target sends no more; the transport closes."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self.closed = True
        self.transport = None
        if self.tunnel is not None:
            self.tunnel.target_lost()
            return
        exchange = self.exchange
        if exchange is None:
            return
        response = self._response
        if response is not None and error is None and isinstance(response.body, UntilClose):
            response.body.done = True
            exchange.guarded(exchange.on_response_body, [], True)
            return
        what = "before its response" if response is None else "in the middle of its response"
        reason = f": {error}" if error else ""
        exchange.guarded(exchange.on_target_failed, failures.TARGET_CLOSED, f"closed {what}{reason}")
