"""The head that the target sees: request line, Host, hop-by-hop removal, forwarded headers (Kong's proxy
rules).

Everything that is the same for a whole connection was joined once in ``ForwardedFacts``; what is the same for
many requests (a Host) is remembered. One ``join`` makes the head.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from dbless_gateway.config.entities import Consumer, Credential
from dbless_gateway.http1.headers import Headers
from dbless_gateway.http1.request_head import RequestHead
from dbless_gateway.pdk.identity import credential_identifier

if TYPE_CHECKING:
    from dbless_gateway.proxy.exchange import Exchange

_KEEP_ALIVE: Final = b"\r\nConnection: keep-alive"
_UPGRADE: Final = b"\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket"
_HOSTS_REMEMBERED: Final = 1024
_IDENTITIES_REMEMBERED: Final = 4096
# Sent on as they came unless an authentication plugin has spoken: then they are its own.
IDENTITY_HEADERS: Final = (
    (b"x-consumer-id", b"X-Consumer-ID"),
    (b"x-consumer-custom-id", b"X-Consumer-Custom-ID"),
    (b"x-consumer-username", b"X-Consumer-Username"),
    (b"x-credential-identifier", b"X-Credential-Identifier"),
    (b"x-anonymous-consumer", b"X-Anonymous-Consumer"),
)
_UNDERSCORE: Final = 0x5F
_IDENTITY_NEEDLES: Final = tuple(b"\r\n" + name + b":" for name, _ in IDENTITY_HEADERS)


class IdentityBlocks:
    """The lines that tell the target who the client is, by what a plugin has found; bounded, and only a memo.

    What is remembered counts for the very objects that it was made for: a reload makes others.
    """

    __slots__ = ("_known", "_most")

    def __init__(self, most: int = _IDENTITIES_REMEMBERED) -> None:
        self._most = most
        self._known: dict[str, tuple[Consumer, Credential, bytes]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, consumer: Consumer | None, credential: Credential | None) -> bytes:
        """Return the block, each line with CRLF in front; without a consumer it names the credential only."""
        if credential is None:
            return b"" if consumer is None else _identity_block(consumer, None)
        if consumer is None:
            return f"\r\nX-Credential-Identifier: {credential.id}".encode()
        known = self._known.get(credential.id)
        if known is not None and known[0] is consumer and known[1] is credential:
            return known[2]
        block = _identity_block(consumer, credential_identifier(credential))
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[credential.id] = (consumer, credential, block)
        return block


def _identity_block(consumer: Consumer, credential_id: str | None) -> bytes:
    """Return the X-Consumer-* lines; without a credential it is the anonymous consumer."""
    consumer_id, custom_id, username = consumer.id, consumer.custom_id, consumer.username
    lines = [f"X-Consumer-ID: {consumer_id}"]
    if custom_id is not None:
        lines.append(f"X-Consumer-Custom-ID: {custom_id}")
    if username is not None:
        lines.append(f"X-Consumer-Username: {username}")
    lines.append(
        f"X-Credential-Identifier: {credential_id}" if credential_id else "X-Anonymous-Consumer: true"
    )
    # A name with a line break in it must not become a header of its own.
    clean = (line.replace("\r", "").replace("\n", "").replace("\0", "") for line in lines)
    return "".join(f"\r\n{line}" for line in clean).encode()


@lru_cache(maxsize=_HOSTS_REMEMBERED)
def split_host(host: bytes) -> tuple[bytes, int | None]:
    """Return (name in lower case, port or None) of a Host header."""
    if host.startswith(b"["):
        name, _, rest = host[1:].partition(b"]")
        name, port = b"[" + name + b"]", rest[1:] if rest.startswith(b":") else b""
    else:
        name, _, port = host.partition(b":")
    return name.lower(), int(port) if port.isdigit() and len(port) <= 5 else None


@lru_cache(maxsize=_HOSTS_REMEMBERED)
def server_name(host: bytes) -> str | None:
    """Return the name for SNI and the certificate check; None for an address (RFC 6066 section 3)."""
    name = split_host(host)[0].decode("latin-1")
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return name
    return None


class ForwardedFacts:
    """What one connection contributes to the forwarded headers."""

    __slots__ = ("block", "peer_ip", "port", "scheme")

    def __init__(self, peer_ip: str, scheme: str, port: int) -> None:
        self.peer_ip = peer_ip.encode()
        self.scheme = scheme.encode()
        self.port = b"%d" % port
        # For the ordinary request: nothing forwarded before us, or nobody we trust.
        self.block = (
            b"\r\nX-Real-IP: %b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Port: %b"
            b"\r\nX-Forwarded-Host: " % (self.peer_ip, self.peer_ip, self.scheme, self.port)
        )


def request_head(exchange: Exchange, host: bytes, framing: bytes) -> bytes:
    """Return the complete head for the target; ``framing`` is its body's line (with CRLF in front) or empty."""
    head, gateway = exchange.head, exchange.gateway
    edited = exchange.upstream_request
    if edited is None:
        method, path, query, plain = head.method, exchange.upstream_path, head.query, head.plain
        if exchange.identity_block is not None and _UNDERSCORE in plain:
            headers = Headers(plain)
            drop_identity(headers)
            plain = headers.block
    else:
        method, path, query, plain = edited.wire()
    parts = [
        method,
        b" ",
        path if query is None else path + b"?" + query,
        b" HTTP/1.1\r\nHost: ",
        host,
        _UPGRADE if exchange.wants_upgrade else _KEEP_ALIVE,
        plain,
    ]
    if head.special or not head.minor:
        _forward_with_special(exchange, head, parts)
    else:
        parts += (
            exchange.client.forwarded.block,
            exchange.host_name,
            b"\r\nX-Forwarded-Path: ",
            head.path,
            gateway.via_line,
        )
        if exchange.prefix is not None:
            parts += (b"\r\nX-Forwarded-Prefix: ", exchange.prefix)
    # Once a plugin has asked for the request, its headers say who the client is.
    if exchange.identity_block is not None and edited is None:
        parts.append(exchange.identity_block)
    if gateway.options.request_id_upstream:
        parts += (b"\r\nX-Kong-Request-Id: ", exchange.request_id_bytes)
    parts += (framing, b"\r\n\r\n")
    return b"".join(parts)


def drop_identity(headers: Headers) -> None:
    """Drop the client's own word on who it is.

    Written with an underscore, too: targets behind CGI or WSGI cannot tell such headers from real ones.
    """
    if headers.has_any(_IDENTITY_NEEDLES):
        for needle in _IDENTITY_NEEDLES:
            headers.cut(needle)


def _forward_with_special(exchange: Exchange, head: RequestHead, parts: list[bytes]) -> None:
    """Add the forwarded headers of a request that brought some special lines itself, or is HTTP/1.0."""
    special = head.special
    client = exchange.client
    facts = client.forwarded
    before = special.get(b"x-forwarded-for")
    chain = facts.peer_ip if before is None else before + b", " + facts.peer_ip
    parts += (b"\r\nX-Real-IP: ", exchange.client_ip.encode(), b"\r\nX-Forwarded-For: ", chain)
    believed = special if client.trusted else {}
    parts += (b"\r\nX-Forwarded-Proto: ", believed.get(b"x-forwarded-proto") or facts.scheme)
    parts += (b"\r\nX-Forwarded-Port: ", believed.get(b"x-forwarded-port") or facts.port)
    host = believed.get(b"x-forwarded-host") or exchange.host_name
    if host:
        parts += (b"\r\nX-Forwarded-Host: ", host)
    parts += (b"\r\nX-Forwarded-Path: ", believed.get(b"x-forwarded-path") or head.path)
    prefix = believed.get(b"x-forwarded-prefix") or exchange.prefix
    if prefix is not None:
        parts += (b"\r\nX-Forwarded-Prefix: ", prefix)
    via = special.get(b"via")
    line = exchange.gateway.via_line if head.minor else exchange.gateway.via_line_10
    parts.append(line if not via else b"\r\nVia: " + via + b", " + line[len(b"\r\nVia: ") :])
    te = special.get(b"te")
    if te is not None and b"trailers" in te.lower():
        parts.append(b"\r\nTE: trailers")
    if exchange.identity_block is None:
        for name, sent in IDENTITY_HEADERS:
            value = special.get(name)
            if value is not None:
                parts += (b"\r\n", sent, b": ", value)
