"""One cached response: what of it is kept, and its form in the node's cache.

Part of what runs for each request of proxy-cache, in a module of its own because it is compiled.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Final

from dbless_gateway.pdk.reply import EncodedHeaders, Reply

# Entries of another version are of an older or newer gateway; they are dropped when they are met.
FORMAT_VERSION: Final = 1

# Version, status, when it was stored, how long it is fresh, size of the header lines; lines and body follow.
_FACTS: Final = Struct(">BHddI")
_VERSION: Final = Struct(">B")
_UNREADABLE: Final = Reply(500)
_NEVER_REPLAYED: Final = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "age",
        "x-cache-status",
        "x-cache-key",
    )
)


class Entry:
    """One stored response; ``reply`` is what a hit answers with."""

    __slots__ = ("reply", "stored_at", "ttl_s", "version")

    def __init__(self, reply: Reply, stored_at: float, ttl_s: float, version: int = FORMAT_VERSION) -> None:
        self.reply = reply
        self.stored_at = stored_at
        self.ttl_s = ttl_s
        self.version = version


def encode_entry(
    status: int, headers: Iterable[tuple[str, str]], body: bytes, stored_at: float, ttl_s: float
) -> bytes:
    """Return a response as the cache keeps it; its headers are such as can be sent."""
    lines = [f"\r\n{name}: {value}" for name, value in headers if _is_replayed(name.lower())]
    block = "".join(lines).encode("latin-1")
    facts = _FACTS.pack(FORMAT_VERSION, status, stored_at, ttl_s, len(block))
    return b"".join((facts, block, body))


def decode_entry(stored: bytes) -> Entry:
    """Return what ``encode_entry`` wrote; of another version only that it is one."""
    version: int = _VERSION.unpack_from(stored)[0]
    if version != FORMAT_VERSION:
        return Entry(_UNREADABLE, 0.0, 0.0, version)
    _, status, stored_at, ttl_s, block_size = _FACTS.unpack_from(stored)
    body_start = _FACTS.size + block_size
    headers = EncodedHeaders.from_block(stored[_FACTS.size : body_start])
    return Entry(Reply(status, stored[body_start:], headers, proxied=True), stored_at, ttl_s)


def _is_replayed(name: str) -> bool:
    return name not in _NEVER_REPLAYED and "ratelimit-remaining" not in name
