"""The body of one request on its way from the client to the target.

It is collected while it is small, so that plugins can see it and a failed try can be repeated with it; once
it has outgrown its buffer it streams, with flow control, and a try can no longer be repeated. A route without
``request_buffering`` streams from the start.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dbless_gateway.http1.bodies import BadBody, BodyReader, ChunkedBody, LengthBody
from dbless_gateway.http1.writing import CONTINUE, chunks, last_chunk
from dbless_gateway.proxy import failures
from dbless_gateway.proxy.lifecycle import RequestSide, ResponseSide, Wait

if TYPE_CHECKING:
    from dbless_gateway.pdk.reply import Reply
    from dbless_gateway.proxy.exchange import Exchange

# A plugin that wants the whole body gets at most this much; of a larger one it sees nothing.
_PLUGIN_BODY_LIMIT_BYTES: Final = 8 * 1024 * 1024
# Held for a target that is not connected yet, before the client is told to wait.
_UNSENT_LIMIT_BYTES: Final = 256 * 1024
_NO_LIMIT: Final = sys.maxsize


class Upload:
    """See the module."""

    __slots__ = (
        "_exchange",
        "_reader",
        "_then",
        "is_replaced",
        "is_replayable",
        "is_streaming",
        "limit_bytes",
        "limit_reply",
        "owes_continue",
        "pieces",
        "received_bytes",
        "size",
    )

    def __init__(self, exchange: Exchange, reader: BodyReader, owes_continue: bool) -> None:
        self._exchange = exchange
        self._reader = reader
        self._then: Callable[[], None] | None = None  # the stage that waits for the body
        self.owes_continue = owes_continue  # the client waits for "100 Continue"
        self.pieces: list[bytes] = []  # held, in order
        self.size = 0  # of the payload so far
        self.received_bytes = 0  # with its framing
        self.is_streaming = False  # pieces go to the target as they come
        self.is_replayable = True  # everything that was sent can be sent again
        self.limit_bytes = _NO_LIMIT  # a plugin's; more than this is answered with its reply
        self.limit_reply: Reply | None = None
        self.is_replaced = False  # a plugin wrote another body: the client's goes nowhere

    def announces_more_than(self, limit: int) -> bool:
        """Tell whether the announced length is over the limit; 0 is no limit."""
        return bool(limit) and isinstance(self._reader, LengthBody) and self._reader.remaining > limit

    def wait(self, then: Callable[[], None]) -> None:
        """Go on with ``then`` when the body is complete, or has outgrown its buffer and streams."""
        exchange = self._exchange
        if exchange.request_side == RequestSide.DONE or self.is_streaming:
            then()
            return
        self._invite()
        self._then = then
        exchange.wait = Wait.CLIENT_BODY
        exchange.client.deadline = exchange.gateway.now + exchange.gateway.options.client_body_timeout
        exchange.client.resume_reading()

    def stream(self) -> None:
        """Send on from now on whatever comes."""
        self.is_streaming = True
        self._invite()

    def forget(self) -> None:
        """The request was answered: what still comes is swallowed."""
        self._then = None
        self.pieces = []

    def replace(self) -> None:
        """The target gets a body of a plugin's; what the client sends must not follow it."""
        self.is_replaced = True

    def _invite(self) -> None:
        if self.owes_continue:
            self.owes_continue = False
            self._exchange.client.write(CONTINUE)

    def whole(self) -> bytes | None:
        """Return the body when all of it is held."""
        if self._exchange.request_side == RequestSide.DONE and self.is_replayable:
            held = b"".join(self.pieces)
            return held if len(held) == self.size else None
        return None

    def feed(self, data: bytes) -> None:
        """Take what the client sent."""
        exchange, reader = self._exchange, self._reader
        try:
            pieces = reader.feed(data)
        except BadBody as error:
            exchange.gateway.log.info("client %s: bad body: %s", exchange.client.peer_ip, error)
            exchange.move_request(RequestSide.ABORTED)
            exchange.break_off_request(failures.BAD_BODY)
            return
        self.received_bytes += len(data)
        self.size += sum(map(len, pieces))
        if reader.done:
            exchange.move_request(RequestSide.DONE)
            exchange.client.keep_rest(reader.rest)
        if exchange.response_side is not ResponseSide.WAITING and not self._still_wanted():
            if reader.done and exchange.response_side is ResponseSide.DONE:
                exchange.finish()
            return
        limit = exchange.gateway.options.client_max_body_size
        if limit and self.size > limit:
            exchange.break_off_request(failures.BODY_TOO_LARGE)
            return
        if self.size > self.limit_bytes and self.limit_reply is not None:
            exchange.break_off_request(self.limit_reply)
            return
        target = exchange.target
        is_sent = target is not None and target.is_ours(exchange)
        if self.is_replaced:
            if is_sent:
                exchange.await_next()
        elif self.is_streaming and is_sent:
            self._send(pieces)
        else:
            self._hold(pieces)

    def _still_wanted(self) -> bool:
        """A target may answer before it has read everything, and go on reading."""
        return self._exchange.response_side is ResponseSide.STARTED and self._exchange.target is not None

    def _send(self, pieces: list[bytes]) -> None:
        exchange, reader = self._exchange, self._reader
        target = exchange.target
        assert target is not None
        self.is_replayable = False
        if isinstance(reader, ChunkedBody):
            pieces = chunks(pieces)
            if reader.done:
                pieces.append(last_chunk(reader.trailers))
        if pieces:
            target.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if target.is_full:
            exchange.client.pause_reading()
        exchange.await_next()

    def _hold(self, pieces: list[bytes]) -> None:
        exchange = self._exchange
        self.pieces += pieces
        then = self._then
        if self.is_streaming or then is None:
            # Nobody takes it for now: there is no connection yet, or a plugin waits for something.
            if self.size > _UNSENT_LIMIT_BYTES:
                exchange.client.pause_reading()
            return
        options = exchange.gateway.options
        exchange.client.deadline = exchange.gateway.now + options.client_body_timeout
        limit = options.client_body_buffer_size
        if exchange.chain.needs_request_body:
            limit = max(limit, _PLUGIN_BODY_LIMIT_BYTES)
        if self._reader.done or self.size > limit:
            self._then = None
            self.is_streaming = not self._reader.done
            then()

    def framing(self) -> tuple[bytes, list[bytes]]:
        """Return the header line that frames the body for the target, and what of it goes with the head."""
        pieces = self.pieces
        if not self.is_streaming or (self._exchange.request_side is RequestSide.DONE and self.is_replayable):
            return b"\r\nContent-Length: %d" % self.size, pieces
        if pieces:
            self.is_replayable = False
            self.pieces = []
        reader = self._reader
        if isinstance(reader, LengthBody):
            return b"\r\nContent-Length: %d" % (self.size + reader.remaining), pieces
        encoded = chunks(pieces)
        if reader.done and isinstance(reader, ChunkedBody):
            encoded.append(last_chunk(reader.trailers))
        return b"\r\nTransfer-Encoding: chunked", encoded
