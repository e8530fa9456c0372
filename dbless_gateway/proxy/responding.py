"""The head that the client sees, of a target's response or of the gateway's own (Kong's proxy rules).

Hop-by-hop lines never pass; framing is written anew by whoever knows the body; Kong's own headers come last,
after the plugins' header_filter.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dbless_gateway.http1.headers import Headers
from dbless_gateway.http1.response_head import NO_BODY, ResponseHead
from dbless_gateway.http1.splitting import has_server
from dbless_gateway.http1.writing import STATUS_LINES
from dbless_gateway.pdk.reply import EncodedHeaders, Reply
from dbless_gateway.proxy.context import ResponseView

if TYPE_CHECKING:
    from dbless_gateway.proxy.exchange import Exchange

# Latencies are small numbers; formatting one takes longer than finding it.
_LATENCY_TABLE_MS: Final = 2000
_UPSTREAM_LATENCY: Final = [b"\r\nX-Kong-Upstream-Latency: %d" % ms for ms in range(_LATENCY_TABLE_MS)]
_PROXY_LATENCY: Final = [b"\r\nX-Kong-Proxy-Latency: %d" % ms for ms in range(_LATENCY_TABLE_MS)]
_RESPONSE_LATENCY: Final = [b"\r\nX-Kong-Response-Latency: %d" % ms for ms in range(_LATENCY_TABLE_MS)]

# Types that get a charset when they name none (nginx's charset_types).
_CHARSET_TYPES: Final = frozenset(
    (
        b"text/html",
        b"text/xml",
        b"text/plain",
        b"text/vnd.wap.wml",
        b"application/javascript",
        b"application/rss+xml",
    )
)
_CONTENT_TYPES_REMEMBERED: Final = 512
_CONTENT_TYPE: Final = b"\r\ncontent-type:"
_CONTENT_TYPE_LINE: Final = b"\r\nContent-Type: "


@lru_cache(maxsize=_CONTENT_TYPES_REMEMBERED)
def with_charset(content_type: bytes, charset: bytes | None) -> bytes:
    """Return the line of a content type (with CRLF in front), with the default charset where one belongs."""
    line = _CONTENT_TYPE_LINE + content_type
    if charset is None:
        return line
    media_type, _, parameters = content_type.partition(b";")
    if media_type.strip().lower() not in _CHARSET_TYPES or b"charset" in parameters.lower():
        return line
    return line + b"; charset=" + charset


def proxied_head(exchange: Exchange, response: ResponseHead, framing: bytes) -> bytes:
    """Return the client's head for a target's response; ``framing`` holds its length or coding and
    persistence.
    """
    special, line, block = response.special, response.line, response.plain
    content_type = response.content_type
    chain = exchange.chain
    if content_type is not None:
        # The default charset comes behind the plugins, which see the type as the target named it.
        charset = None if chain.header_filter else exchange.gateway.charset
        block += with_charset(content_type, charset)
    names_server = response.has_server
    is_changed = chain.header_filter or exchange.pending_headers is not None
    if is_changed or exchange.new_cookie is not None:
        line, block = filtered(exchange, response.status, block, line)
        names_server = has_server(block)
        if exchange.status != response.status:
            framing = _reframed(exchange, response, framing)
    exchange.sent_block = block
    gateway, sent_at = exchange.gateway, exchange.sent_at
    if gateway.has_default_tokens and not special and names_server:
        # What nearly all responses need, in one expression.
        upstream_ms = int((exchange.answered_at - sent_at) * 1000)
        proxy_ms = int((sent_at - exchange.started) * 1000)
        if upstream_ms < _LATENCY_TABLE_MS and proxy_ms < _LATENCY_TABLE_MS:
            return b"".join(
                (
                    line,
                    block,
                    framing,
                    _UPSTREAM_LATENCY[upstream_ms],
                    _PROXY_LATENCY[proxy_ms],
                    gateway.via_line,
                    b"\r\nX-Kong-Request-Id: ",
                    exchange.request_id_bytes,
                    b"\r\n\r\n",
                )
            )
    parts = [line, block, framing]
    _add_proxied_tokens(exchange, special, names_server, parts)
    return b"".join(parts)


def _reframed(exchange: Exchange, response: ResponseHead, framing: bytes) -> bytes:
    """Return the framing for a status that a plugin has set: with another status the body may come or go."""
    persistence = b"\r\nConnection: keep-alive" if exchange.client.keep_alive else b"\r\nConnection: close"
    if exchange.status in NO_BODY:
        exchange.head.is_head = True  # As of HEAD: what the target sends of a body goes nowhere.
        return persistence
    if response.status in NO_BODY and not exchange.head.is_head:
        return b"\r\nContent-Length: 0" + persistence
    return framing


def reply_lines(exchange: Exchange, reply: Reply) -> tuple[bytes, bytes]:
    """Return status line and header lines of an answer of the gateway or a plugin, header_filter applied."""
    line = STATUS_LINES.get(reply.status) or b"HTTP/1.1 %d" % reply.status
    if isinstance(reply.headers, EncodedHeaders):
        encoded = reply.headers.block
        if not exchange.chain.header_filter:
            headers = Headers(encoded)
            _add_charset(headers, exchange.gateway.charset)
            encoded = headers.block
        return filtered(exchange, reply.status, encoded, line)
    block = Headers(b"")
    for name, value in reply.headers:
        raw_value = value.encode("latin-1", "replace") or b" "
        if name.lower() == "content-type" and not exchange.chain.header_filter:
            raw_value = with_charset(raw_value, exchange.gateway.charset).partition(b": ")[2]
        block.add(name.encode("latin-1"), raw_value)
    line, lines = filtered(exchange, reply.status, block.block, line)
    exchange.sent_block = lines
    return line, lines


def names_connection(reply: Reply) -> bool:
    """Tell whether a reply says itself what becomes of the connection."""
    headers = reply.headers
    if isinstance(headers, EncodedHeaders):
        return headers.names_connection
    return any(name.lower() == "connection" for name, _ in headers)


def reply_head(exchange: Exchange, reply: Reply, line: bytes, lines: bytes, framing: bytes) -> bytes:
    """Return the client's head for such an answer, from its lines and its framing."""
    parts = [line, lines, framing]
    options = exchange.gateway.options
    if reply.proxied:
        _add_proxied_tokens(exchange, {}, has_server(lines), parts)
    else:
        if options.server_tokens:
            parts.append(exchange.gateway.server_line)
        if options.latency_tokens:
            ms = exchange.latency_total_ms
            parts.append(
                _RESPONSE_LATENCY[ms] if ms < _LATENCY_TABLE_MS else b"\r\nX-Kong-Response-Latency: %d" % ms
            )
        if exchange.gateway.has_rare_tokens:
            _add_rare_tokens(exchange, parts)
        if options.request_id_downstream:
            parts += (b"\r\nX-Kong-Request-Id: ", exchange.request_id_bytes)
        parts.append(b"\r\n\r\n")
    return b"".join(parts)


def filtered(exchange: Exchange, status: int, block: bytes, line: bytes) -> tuple[bytes, bytes]:
    """Apply headers set before the response existed, then the header_filter steps; return (line, block)."""
    headers = Headers(block)
    pending = exchange.pending_headers
    if pending is not None:
        for names, values, replaces in pending:
            if replaces:
                headers.set_together(names, values)
            else:
                headers.add(names[0].encode("latin-1"), values[0].encode("latin-1", "replace"))
    cookie = exchange.new_cookie
    if cookie is not None:
        headers.remove_starting(b"set-cookie", cookie.name.encode("latin-1") + b"=")
        headers.add(b"Set-Cookie", cookie.header_value.encode("latin-1", "replace"))
    steps = exchange.chain.header_filter
    if steps:
        view = exchange.response_view = ResponseView(status, headers)
        for step in steps:
            step(exchange)
        _add_charset(headers, exchange.gateway.charset)
        if view.status != status:
            line = STATUS_LINES.get(view.status) or b"HTTP/1.1 %d" % view.status
            exchange.status = view.status
    return line, headers.block


def _add_charset(headers: Headers, charset: bytes | None) -> None:
    """Give the final content type its default charset."""
    content_type = headers.find(_CONTENT_TYPE)
    if content_type is not None:
        line = with_charset(content_type, charset)
        if len(line) > len(_CONTENT_TYPE_LINE) + len(content_type):
            headers.cut(_CONTENT_TYPE)
            headers.extend(line)


def _add_proxied_tokens(
    exchange: Exchange, special: dict[bytes, bytes], names_server: bool, parts: list[bytes]
) -> None:
    """Add Kong's own lines of a proxied response, and the empty line."""
    gateway = exchange.gateway
    options = gateway.options
    if options.latency_tokens:
        sent_at = exchange.sent_at
        ms = int((exchange.answered_at - sent_at) * 1000)
        parts.append(
            _UPSTREAM_LATENCY[ms] if 0 <= ms < _LATENCY_TABLE_MS else b"\r\nX-Kong-Upstream-Latency: %d" % ms
        )
        ms = int((sent_at - exchange.started) * 1000)
        parts.append(
            _PROXY_LATENCY[ms] if 0 <= ms < _LATENCY_TABLE_MS else b"\r\nX-Kong-Proxy-Latency: %d" % ms
        )
    if options.server_tokens:
        via = special.get(b"via") if special else None
        parts.append(
            gateway.via_line
            if not via
            else b"\r\nVia: " + via + b", " + gateway.via_line[len(b"\r\nVia: ") :]
        )
        if not names_server:
            parts.append(gateway.server_line)
    if gateway.has_rare_tokens:
        _add_rare_tokens(exchange, parts)
    if options.request_id_downstream:
        parts += (b"\r\nX-Kong-Request-Id: ", exchange.request_id_bytes, b"\r\n\r\n")
    else:
        parts.append(b"\r\n\r\n")


def _add_rare_tokens(exchange: Exchange, parts: list[bytes]) -> None:
    """Add the lines that are off by default: the target's status, and what Kong-Debug asks for."""
    options, route = exchange.gateway.options, exchange.compiled_route
    if options.upstream_status and exchange.upstream_status is not None:
        parts.append(b"\r\nX-Kong-Upstream-Status: %d" % exchange.upstream_status)
    if not options.allow_debug_header or route is None or exchange.head.headers.get(b"kong-debug") is None:
        return
    matched = [("Route", route.entity.id, route.entity.name)]
    if route.service is not None:
        matched.append(("Service", route.service.entity.id, route.service.entity.name))
    for kind, entity_id, name in matched:
        parts.append(f"\r\nKong-{kind}-Id: {entity_id}".encode())
        if name is not None:
            parts.append(f"\r\nKong-{kind}-Name: {name}".encode())
