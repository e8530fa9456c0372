"""Frames: how messages and slices travel over a pipe or a socket pair. A length, a kind, a body.

Reading is incremental: ``FrameReader`` takes bytes in any cut. What a kind means is the business of those who
talk (``control.py``, ``load_messages.py``). Imports nothing big: the loader's start is part of every reload.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

_HEAD = Struct("!IB")

# A slice is about 100 kB; the longest message is a list of problems. More than this is a broken stream.
MAX_FRAME_BYTES = 64 * 1024 * 1024


class BrokenStream(Exception):
    """The other end sent what no version of us sends; the connection is useless."""


def frame(kind: int, body: bytes) -> bytes:
    """Return one frame."""
    return _HEAD.pack(len(body), kind) + body


class FrameReader:
    """Cuts a stream of bytes into frames."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take bytes in any cut; yield (kind, body) of each frame that is complete."""
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= _HEAD.size:
                length, kind = _HEAD.unpack_from(buffer, start)
                if length > MAX_FRAME_BYTES:
                    raise BrokenStream(f"a frame of {length} bytes")
                end = start + _HEAD.size + length
                if len(buffer) < end:
                    return
                body = bytes(memoryview(buffer)[start + _HEAD.size : end])
                start = end
                yield kind, body
        finally:
            # One move for all frames of a feed, however many there were.
            del buffer[:start]
