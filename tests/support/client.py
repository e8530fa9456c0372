"""A client that sends what a test says and nothing else."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from tests.support.wire import TIMEOUT_S, Response, Wire


class Client(Wire):
    """A connection to the gateway; a context manager."""

    def __init__(self, port: int, source_ip: str = "127.0.0.1", receive_buffer: int | None = None) -> None:
        sock = socket.socket()
        sock.settimeout(TIMEOUT_S)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        super().__init__(sock)
        try:
            sock.bind((source_ip, 0))
            sock.connect(("127.0.0.1", port))
        except OSError:
            sock.close()
            raise
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def request(
        self,
        method: str = "GET",
        target: str = "/",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        host: str = "gateway.test",
    ) -> Response:
        """Send one request and read its answer."""
        self.send(request_bytes(method, target, headers, body, host))
        return self.read_response(method)


def request_bytes(
    method: str = "GET",
    target: str = "/",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    host: str = "gateway.test",
) -> bytes:
    """Build an HTTP/1.1 request; a body gets its Content-Length."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def fetch(
    port: int,
    target: str = "/",
    *,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    source_ip: str = "127.0.0.1",
) -> Response:
    """Send one request over a connection of its own."""
    with Client(port, source_ip) as client:
        return client.request(method, target, headers, body)
