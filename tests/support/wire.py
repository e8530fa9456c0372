"""HTTP/1.1 on a blocking socket, byte for byte: what both ends of a test use to see exactly what was sent.

This reader is deliberately strict and knows nothing of the gateway: a message that is framed in an
unexpected way must fail a test, not be understood kindly. Every wait has the socket's timeout, so a hang is
an error with a place.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field

READ_BYTES = 65536
TIMEOUT_S = 10.0

Headers = list[tuple[str, str]]


class ConnectionClosed(Exception):
    """The other side closed before the expected bytes came; ``partial`` is what did come."""

    def __init__(self, partial: bytes) -> None:
        super().__init__(f"closed after {partial[-200:]!r}")
        self.partial = partial


@dataclass
class Head:
    """The start line and the header lines of a message, and the bytes they came as."""

    raw: bytes
    start_line: str
    headers: Headers

    def get(self, name: str) -> str | None:
        """Return the only value of a header; two lines of it fail the test."""
        values = self.get_all(name)
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """Return the values of all lines of that name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def names(self) -> list[str]:
        """Return the header names as they were sent."""
        return [name for name, _ in self.headers]


@dataclass
class Request(Head):
    """A whole request; ``raw_body`` still has its chunk framing, ``body`` has not."""

    body: bytes = b""
    raw_body: bytes = b""
    trailers: Headers = field(default_factory=list)

    @property
    def method(self) -> str:
        return self.start_line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.start_line.split(" ")[1]


@dataclass
class Response(Head):
    """A whole response."""

    body: bytes = b""
    raw_body: bytes = b""
    trailers: Headers = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.start_line.split(" ")[1])


class Wire:
    """One end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.socket.settimeout(TIMEOUT_S)
        self._buffer = bytearray()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_some(self) -> bytes:
        """Return what is there, at least one byte; ``b""`` when the other side closed."""
        if not self._buffer:
            return self.socket.recv(READ_BYTES)
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def read_exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        return self._take(count)

    def read_until(self, mark: bytes) -> bytes:
        """Return everything up to the mark, which is included."""
        searched = 0
        while (at := self._buffer.find(mark, searched)) < 0:
            searched = max(0, len(self._buffer) - len(mark))
            self._fill()
        return self._take(at + len(mark))

    def read_to_end(self) -> bytes:
        """Return everything until the other side closes."""
        pieces = [self._take(len(self._buffer))]
        while data := self.socket.recv(READ_BYTES):
            pieces.append(data)
        return b"".join(pieces)

    def discard(self, count: int) -> None:
        """Read and forget that many bytes: for bodies that no test should hold in memory."""
        kept = min(count, len(self._buffer))
        self._take(kept)
        left = count - kept
        while left:
            data = self.socket.recv(min(left, READ_BYTES))
            if not data:
                raise ConnectionClosed(b"")
            left -= len(data)

    def is_closed_by_peer(self) -> bool:
        """Wait for the other side to close; False when it sends bytes instead."""
        try:
            return not self._buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Close with RST, as a crashed peer would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read_head(self) -> Head:
        raw = self.read_until(b"\r\n\r\n")
        start_line, *lines = raw[:-4].decode("latin-1").split("\r\n")
        return Head(raw=raw, start_line=start_line, headers=[_parse_line(line) for line in lines])

    def read_request(self) -> Request:
        head = self.read_head()
        request = Request(raw=head.raw, start_line=head.start_line, headers=head.headers)
        self.read_body(request)
        return request

    def read_response(self, method: str = "GET") -> Response:
        """Return the answer to a request of that method, which decides whether a body follows."""
        head = self.read_head()
        response = Response(raw=head.raw, start_line=head.start_line, headers=head.headers)
        bodiless = method == "HEAD" or response.status in (204, 304) or 100 <= response.status < 200
        if not bodiless:
            self.read_body(response, until_close=True)
        return response

    def read_body(self, message: Request | Response, until_close: bool = False) -> None:
        """Read the body as its framing says; both framings at once fail the test."""
        length, encoding = message.get("Content-Length"), message.get("Transfer-Encoding")
        assert length is None or encoding is None, message.raw
        if encoding is not None:
            assert encoding == "chunked", encoding
            self._read_chunked(message)
        elif length is not None:
            message.body = message.raw_body = self.read_exactly(int(length))
        elif until_close:
            message.body = message.raw_body = self.read_to_end()

    def _read_chunked(self, message: Request | Response) -> None:
        raw, body = bytearray(), bytearray()
        while True:
            line = self.read_until(b"\r\n")
            size = int(line.split(b";")[0], 16)
            raw += line
            if size == 0:
                break
            chunk = self.read_exactly(size + 2)
            assert chunk.endswith(b"\r\n"), chunk[-10:]
            raw += chunk
            body += chunk[:-2]
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            raw += line
            message.trailers.append(_parse_line(line[:-2].decode("latin-1")))
        message.raw_body, message.body = bytes(raw + line), bytes(body)

    def _fill(self) -> None:
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise ConnectionClosed(bytes(self._buffer))
        self._buffer += data

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data


def _parse_line(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    assert colon, line
    assert name.strip() == name != "", line
    return name, value.strip()
