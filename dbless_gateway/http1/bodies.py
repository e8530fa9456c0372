"""Where a message's body ends, and what is in it (RFC 9112 section 6).

A reader takes bytes as they arrive and gives back the payload; what follows the end of the message stays in ``rest``
and belongs to the next one. Chunked bodies are decoded here rather than forwarded as they stand: the parser library
does not say where a message ended, and a request hidden behind a last chunk would reach the target unrouted.

Rules: strict. Chunk sizes are hexadecimal digits and nothing else before ``;`` or CRLF; lines end in CRLF; chunk
extensions are bounded and dropped. A violation raises ``BadBody``; the connection is then beyond repair.
"""

from __future__ import annotations

from typing import Final, Protocol

# A chunk line is a size of up to 16 digits and, rarely, an extension (RFC 9112 section 7.1.1 asks for a limit).
_MAX_CHUNK_LINE_BYTES: Final = 256
_MAX_CHUNK_SIZE_DIGITS: Final = 15
# Trailers are held until the body ends, so they count like a head.
_MAX_TRAILER_BYTES: Final = 8192
_HEX_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")
_NAME_BYTES: Final = frozenset(
    b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
# Fields that frame, route or authenticate must not come in a trailer (RFC 9110 section 6.5.1).
_FORBIDDEN_TRAILERS: Final = frozenset(
    b"content-length transfer-encoding host connection keep-alive te trailer upgrade expect authorization "
    b"proxy-authorization proxy-authenticate proxy-connection www-authenticate set-cookie cookie cache-control "
    b"content-encoding content-type content-range location date age expires vary range max-forwards via "
    b"x-real-ip".split()
)
_FORBIDDEN_TRAILER_PREFIXES: Final = (
    b"x-forwarded-",
    b"x-consumer-",
    b"x-kong-",
    b"x-credential-",
    b"x-anonymous-",
    b"if-",
)


class BadBody(Exception):
    """The body's framing is broken; the text says how."""


class BodyReader(Protocol):
    """Takes received bytes; gives payload pieces."""

    done: bool
    rest: bytes

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payload in ``data``; sets ``done``, and ``rest`` to what follows the message."""


class LengthBody:
    """A body of known length."""

    __slots__ = ("done", "remaining", "rest")

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.done = length == 0
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take up to the remaining length."""
        size = len(data)
        if size < self.remaining:
            self.remaining -= size
            return [data]
        self.done = True
        if size == self.remaining:
            self.remaining = 0
            return [data]
        piece, self.rest = data[: self.remaining], data[self.remaining :]
        self.remaining = 0
        return [piece]


class UntilClose:
    """A response body that ends when the connection does."""

    __slots__ = ("done", "rest")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take everything."""
        return [data]


class ChunkedBody:
    """A body in the chunked transfer coding."""

    __slots__ = ("_buffer", "_in_chunk", "_remaining", "_trailing", "done", "rest", "trailers")

    def __init__(self) -> None:
        self._buffer = b""
        self._remaining = 0  # payload bytes of the current chunk still to come
        self._in_chunk = False  # inside a chunk, or before the CRLF that ends it
        self._trailing = False  # behind the last chunk
        self.done = False
        self.rest = b""
        self.trailers = b""  # a header block: lines with CRLF in front; only those fit to be forwarded

    def feed(self, data: bytes) -> list[bytes]:
        """Decode what has arrived."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        pieces: list[bytes] = []
        at = 0
        while not self._trailing:
            if self._in_chunk:
                at = self._take_chunk(data, at, pieces)
                if self._in_chunk:
                    self._buffer = data[at:]
                    return pieces
            size_end = data.find(b"\r\n", at, at + _MAX_CHUNK_LINE_BYTES + 2)
            if size_end < 0:
                self._keep_partial_line(data, at)
                return pieces
            self._begin_chunk(data[at:size_end])
            at = size_end + 2
        self._take_trailers(data, at)
        return pieces

    def _take_chunk(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Take payload of the current chunk, and its closing CRLF; return the new position."""
        available = len(data) - at
        if self._remaining:
            if available < self._remaining:
                if available:
                    pieces.append(data[at:])
                    self._remaining -= available
                return len(data)
            pieces.append(data[at : at + self._remaining])
            at += self._remaining
            self._remaining = 0
        closing = data[at : at + 2]
        if closing == b"\r\n":
            self._in_chunk = False
            return at + 2
        if closing not in (b"", b"\r"):
            raise BadBody("a chunk is longer than its size says")
        return at

    def _begin_chunk(self, line: bytes) -> None:
        size, semicolon, extension = line.partition(b";")
        if semicolon:
            size = size.rstrip(b" \t")
            if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in extension):
                raise BadBody("a chunk extension contains control characters")
        if not size or len(size) > _MAX_CHUNK_SIZE_DIGITS or not _HEX_DIGITS.issuperset(size):
            raise BadBody("a chunk size is not a hexadecimal number")
        self._remaining = int(size, 16)
        if self._remaining:
            self._in_chunk = True
        else:
            self._trailing = True

    def _keep_partial_line(self, data: bytes, at: int) -> None:
        if len(data) - at > _MAX_CHUNK_LINE_BYTES + len(b"\r"):
            raise BadBody("a chunk line is too long")
        partial = data[at:]
        if b"\n" in partial:
            raise BadBody("a chunk line ends in a bare line feed")
        self._buffer = partial

    def _take_trailers(self, data: bytes, at: int) -> None:
        if data.startswith(b"\r\n", at):
            self._finish(b"", data[at + 2 :])
            return
        end = data.find(b"\r\n\r\n", at)
        if end < 0:
            if len(data) - at > _MAX_TRAILER_BYTES + len(b"\r\n\r"):
                raise BadBody("the trailers are too long")
            self._buffer = data[at:]
            return
        self._finish(data[at:end], data[end + 4 :])

    def _finish(self, lines: bytes, rest: bytes) -> None:
        if len(lines) > _MAX_TRAILER_BYTES:
            raise BadBody("the trailers are too long")
        if lines:
            self.trailers = b"".join(b"\r\n" + line for line in lines.split(b"\r\n") if _may_forward(line))
        self.done = True
        self.rest = rest


def _may_forward(line: bytes) -> bool:
    """Tell whether a trailer line may go on; raise for a malformed one."""
    name, colon, value = line.partition(b":")
    if not colon or not name or not _NAME_BYTES.issuperset(name):
        raise BadBody("a trailer field is malformed")
    if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in value):
        raise BadBody("a trailer field contains control characters")
    folded = name.lower().replace(b"_", b"-")
    return folded not in _FORBIDDEN_TRAILERS and not folded.startswith(_FORBIDDEN_TRAILER_PREFIXES)
