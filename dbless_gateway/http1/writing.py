"""Messages to bytes: status lines, chunks, fixed parts. What can be computed once is computed at import."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
STATUS_LINES: Final = {code: b"HTTP/1.1 %d %b" % (code, _REASONS.get(code, b"")) for code in range(100, 1000)}

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"


def chunks(pieces: Iterable[bytes]) -> list[bytes]:
    """Return the pieces in the chunked transfer coding, ready to be joined; empty ones are left out."""
    encoded: list[bytes] = []
    for piece in pieces:
        if piece:
            encoded += (b"%x\r\n" % len(piece), piece, b"\r\n")
    return encoded


def last_chunk(trailers: bytes) -> bytes:
    """Return the end of a chunked body; ``trailers`` is a header block, lines with CRLF in front."""
    return LAST_CHUNK if not trailers else b"0" + trailers + b"\r\n\r\n"
