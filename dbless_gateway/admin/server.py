"""A small HTTP/1.1 server for the Admin and Status APIs, inside the supervisor.

It serves operators and probes, a few requests a second: clarity before speed. One request at a time on a
connection, the next ones wait in the parser's order; bodies and heads are bounded, idle connections end
after a while, so that a slow or hostile client costs nothing but its own connection. What is answered is
``api.py``'s decision.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import parse_qsl

import httptools

from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, message_answer

_log = logging.getLogger(__name__)

Answerer = Callable[[AdminRequest], Awaitable[AdminAnswer]]

# Kong's nginx_admin_client_max_body_size.
MAX_BODY_BYTES = 10 * 1024 * 1024
# nginx's default: four buffers of 8 kB.
MAX_HEAD_BYTES = 32 * 1024
# Longer than usual intervals of probes and scrapes, so that these keep their connection.
IDLE_TIMEOUT_S = 75.0
# Requests that a client sends ahead of the answers; more are not read until some are answered.
MAX_PIPELINED = 8


class AdminServer:
    """Serves one API on some sockets."""

    def __init__(self, answer: Answerer, server_name: str, *, idle_timeout_s: float = IDLE_TIMEOUT_S) -> None:
        self.answer = answer
        self.server_name = server_name
        self.idle_timeout_s = idle_timeout_s
        self.connections: set[_Connection] = set()
        self._servers: list[asyncio.Server] = []

    async def start(
        self, sockets: Sequence[socket.socket], backlog: int, tls: ssl.SSLContext | None = None
    ) -> None:
        """Accept on these sockets, which are bound."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            server = await loop.create_server(self._connection, sock=sock, backlog=backlog, ssl=tls)
            self._servers.append(server)

    async def close(self) -> None:
        """Stop accepting and close every connection."""
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.abort()

    def _connection(self) -> _Connection:
        return _Connection(self)


class _Connection(asyncio.Protocol):
    def __init__(self, server: AdminServer) -> None:
        # Of the connection.
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[AdminRequest, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._is_trusted = False
        # Of the request that is being read.
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._body = bytearray()
        self._refused = False

    # The transport's callbacks, in order.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance.
        self._is_trusted = vouched_for(transport)
        self._server.connections.add(self)
        self._wait_idle()

    def data_received(self, data: bytes) -> None:
        if self._refused or self._transport is None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(message_answer(400, "Upgrade is not supported"))
        except httptools.HttpParserError as error:
            self._refuse(message_answer(400, f"Bad request: {error}"))
        if len(self._waiting) >= MAX_PIPELINED:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._parser = None  # Parser and connection refer to each other.
        self._server.connections.discard(self)
        if self._idle is not None:
            self._idle.cancel()
        if self._task is not None:
            self._task.cancel()

    # The parser's callbacks, in order.

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._head_bytes = 0
        self._body = bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._count_head(len(name) + len(value))

    def on_headers_complete(self) -> None:
        if int(self._headers.get("content-length", "0")) > MAX_BODY_BYTES:
            self._refuse(message_answer(413, "Request body too large"))
        elif self._headers.get("expect", "").lower() == "100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MAX_BODY_BYTES:
            self._refuse(message_answer(413, "Request body too large"))

    def on_message_complete(self) -> None:
        if self._refused:
            return
        url = httptools.parse_url(self._url)
        request = AdminRequest(
            method=self._parser.get_method().decode("ascii"),
            path=(url.path or b"/").decode("latin-1"),
            query=dict(parse_qsl((url.query or b"").decode("latin-1"), keep_blank_values=True)),
            headers=self._headers,
            body=bytes(self._body),
            is_trusted=self._is_trusted,
        )
        self._waiting.append((request, self._parser.should_keep_alive()))
        if self._task is None:
            self._task = self._loop.create_task(self._work())

    def _count_head(self, size_bytes: int) -> None:
        self._head_bytes += size_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(message_answer(431, "Request header fields too large"))

    # Answering.

    async def _work(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        while self._waiting:
            request, keep_alive = self._waiting.popleft()
            began = time.perf_counter()
            answer = await self._answer_safely(request)
            self._write(answer, request, keep_alive=keep_alive, took_s=time.perf_counter() - began)
            if self._transport is None:
                return
            if not keep_alive:
                self._transport.close()
                return
            if len(self._waiting) < MAX_PIPELINED:
                self._transport.resume_reading()
        self._task = None
        self._wait_idle()

    async def _answer_safely(self, request: AdminRequest) -> AdminAnswer:
        try:
            return await self._server.answer(request)
        except Exception:  # noqa: BLE001  # One request's bug must not take the supervisor's API away.
            _log.exception("%s %s failed", request.method, request.path)
            return message_answer(500, "An unexpected error occurred")

    def _refuse(self, answer: AdminAnswer) -> None:
        if self._refused:
            return
        self._refused = True
        self._write(answer, None, keep_alive=False, took_s=0.0)
        if self._transport is not None:
            self._transport.close()

    def _write(
        self, answer: AdminAnswer, request: AdminRequest | None, *, keep_alive: bool, took_s: float
    ) -> None:
        if self._transport is None:
            return
        origin = request.headers.get("origin", "*") if request is not None else "*"
        lines = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            f"Server: {self._server.server_name}",
            f"X-Kong-Admin-Latency: {took_s * 1000:.0f}",
            f"Access-Control-Allow-Origin: {origin}",
            "Access-Control-Allow-Credentials: true",
            *(f"{name}: {value}" for name, value in answer.headers.items()),
        ]
        if answer.body is not None:
            lines += [f"Content-Type: {answer.content_type}", f"Content-Length: {len(answer.body)}"]
        if not keep_alive:
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        is_head = request is not None and request.method == "HEAD"
        self._transport.write(head + (b"" if is_head or answer.body is None else answer.body))

    def _wait_idle(self) -> None:
        self._idle = self._loop.call_later(self._server.idle_timeout_s, self.abort)

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()


def vouched_for(transport: asyncio.BaseTransport) -> bool:
    """Tell whether a connection comes from this machine, or its client has shown a certificate."""
    return _is_local(transport) or _has_certificate(transport)


def _is_local(transport: asyncio.BaseTransport) -> bool:
    peer = transport.get_extra_info("peername")
    address = ip_address(peer[0].partition("%")[0])
    # Of ::ffff:127.0.0.1, what it stands for.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _has_certificate(transport: asyncio.BaseTransport) -> bool:
    """Tell whether the client has shown one that the listener's authorities have issued."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    # Where none is asked for, and where one is not verified, there is none here.
    return tls is not None and bool(tls.getpeercert())
