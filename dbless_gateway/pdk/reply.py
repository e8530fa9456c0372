"""A reply that a plugin (or the gateway itself) gives instead of the target's."""

from __future__ import annotations

from dbless_gateway.config.records import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, body and headers to answer with.

    Header values are text (latin-1); ``Content-Length`` is added by the gateway. ``proxied`` makes the
    answer count as one of the target's (latency headers and Via as for a proxied response): a cache hit does
    that.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    proxied: bool = False
