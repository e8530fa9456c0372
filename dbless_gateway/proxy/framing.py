"""How the client learns where a response's body ends, and whether its connection goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbless_gateway.http1.response_head import NO_BODY, ResponseHead
from dbless_gateway.http1.writing import chunks, last_chunk
from dbless_gateway.proxy.lifecycle import RequestSide

if TYPE_CHECKING:
    from dbless_gateway.proxy.exchange import Exchange

_REQUEST_DONE: Final = RequestSide.DONE


def response_framing(exchange: Exchange, response: ResponseHead) -> bytes:
    """Decide how the client learns where the body ends, and whether its connection goes on."""
    client, head, length = exchange.client, exchange.head, response.length
    keep_alive = head.keep_alive and exchange.request_side is _REQUEST_DONE and client.may_persist()
    if (response.body is not None or may_gain_body(exchange, response)) and (
        length is None or exchange.chain.changes_body
    ):
        length = None
        if head.minor:
            exchange.response_chunked = True
        else:
            keep_alive = False
    elif response.status == 204:
        length = None
    client.keep_alive = keep_alive
    persistence = b"\r\nConnection: keep-alive" if keep_alive else b"\r\nConnection: close"
    if length is not None:
        return b"\r\nContent-Length: %d%b" % (length, persistence)
    if not exchange.response_chunked:
        return persistence
    trailer = response.special.get(b"trailer")
    if trailer is not None and _wants_trailers(exchange):
        return b"\r\nTrailer: " + trailer + b"\r\nTransfer-Encoding: chunked" + persistence
    return b"\r\nTransfer-Encoding: chunked" + persistence


def may_gain_body(exchange: Exchange, response: ResponseHead) -> bool:
    """Tell whether a plugin may put a body where the target sent an empty one."""
    return (
        exchange.chain.changes_body
        and response.length == 0
        and not exchange.head.is_head
        and response.status not in NO_BODY
    )


def chunked(exchange: Exchange, pieces: list[bytes], is_last: bool) -> list[bytes]:
    """Return pieces of the body as chunks, with the trailers behind the last one."""
    encoded = chunks(pieces)
    if is_last:
        target = exchange.target
        trailers = target.trailers() if target is not None and _wants_trailers(exchange) else b""
        encoded.append(last_chunk(trailers))
    return encoded


def _wants_trailers(exchange: Exchange) -> bool:
    te = exchange.head.special.get(b"te")
    return te is not None and b"trailers" in te.lower()
