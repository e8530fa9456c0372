"""A reply that a plugin (or the gateway itself) gives instead of the target's."""

from __future__ import annotations

from collections.abc import Iterable

from dbless_gateway.config.records import dataclass
from dbless_gateway.http1.headers import Headers, TextHeaders


class EncodedHeaders(tuple[tuple[str, str], ...]):
    """Headers of a reply that is sent many times, brought into the form of the wire once."""

    block: bytes  # each line with CRLF in front
    names_connection: bool

    def __new__(cls, headers: Iterable[tuple[str, str]]) -> EncodedHeaders:
        """Encode; ValueError when a value would break the message."""
        lines = TextHeaders(Headers(b""))
        for name, value in headers:
            lines.add(name, value)
        return cls.from_block(lines.raw.block)

    @classmethod
    def from_block(cls, block: bytes) -> EncodedHeaders:
        """Return the headers that were encoded so."""
        headers = Headers(block)
        encoded = super().__new__(cls, TextHeaders(headers).items())
        encoded.block = block
        encoded.names_connection = headers.get(b"connection") is not None
        return encoded


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, body and headers to answer with.

    Header values are text (latin-1); ``Content-Length`` is added by the gateway. A reply that is sent many
    times is cheaper with ``EncodedHeaders``. ``proxied`` makes the answer count as one of the target's
    (latency headers and Via as for a proxied response): a cache hit does that.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    proxied: bool = False
