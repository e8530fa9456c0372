"""Taking connections from inherited listening sockets, and stopping so that no queued client is turned away.

A client whose handshake the kernel has completed is in the queue of the listening socket, and closing the
socket would reset it. So stopping first takes what is queued. The supervisor must have closed its own copies
before, since the kernel goes on queueing as long as anybody holds the socket.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dbless_gateway.server.control import InheritedListener

ProtocolFactory = Callable[[], asyncio.BaseProtocol]

# Turns of the loop between taking the last connection and the beginning of the drain: the requests that have
# already arrived on it are read in the first of them and are in flight from then on.
_TURNS_TO_READ = 3
# How long clients from the queue have for their TLS handshakes before the drain begins.
_QUEUED_HANDSHAKES_S = 2.0


class _Welcome(NamedTuple):
    """What becomes of a connection: its protocol, and the loop's arguments for TLS."""

    factory: ProtocolFactory
    tls: dict[str, Any]


class Acceptor:
    """Accepts on a worker's listeners."""

    def __init__(
        self,
        listeners: Sequence[InheritedListener],
        protocol_factory: Callable[[str, int], ProtocolFactory],
        tls_context: Callable[[], ssl.SSLContext],
        loop: asyncio.AbstractEventLoop,
        *,
        handshake_timeout_s: float,
    ) -> None:
        """``tls_context`` is called when the first listener with TLS starts."""
        self._listeners = listeners
        self._protocol_factory = protocol_factory
        self._tls_context = tls_context
        self._handshake_timeout_s = handshake_timeout_s
        self._loop = loop
        self._servers: list[tuple[asyncio.Server, socket.socket, _Welcome]] = []
        self._shaking: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Accept from now on; a second call does nothing."""
        if self._servers:
            return
        for listener in self._listeners:
            sock = socket.socket(fileno=listener.fd)
            welcome = self._welcome(listener)
            # The backlog is given again because every call of listen() sets it.
            server = await self._loop.create_server(
                welcome.factory, sock=sock, backlog=listener.backlog, **welcome.tls
            )
            self._servers.append((server, sock, welcome))

    def _welcome(self, listener: InheritedListener) -> _Welcome:
        factory = self._protocol_factory(listener.scheme, listener.port)
        if listener.scheme != "https":
            return _Welcome(factory, {})
        timeout_s = self._handshake_timeout_s
        return _Welcome(factory, {"ssl": self._tls_context(), "ssl_handshake_timeout": timeout_s})

    async def stop(self) -> None:
        """Take what is queued, then accept nothing more."""
        servers, self._servers = self._servers, []
        for server, sock, welcome in servers:
            queue = sock.dup()
            queue.setblocking(False)
            server.close()
            await self._take_queued(queue, welcome)
            queue.close()
        if self._shaking:
            await asyncio.wait(self._shaking, timeout=_QUEUED_HANDSHAKES_S)
        for _ in range(_TURNS_TO_READ):
            await asyncio.sleep(0)

    async def _take_queued(self, queue: socket.socket, welcome: _Welcome) -> None:
        while True:
            try:
                connection, _ = queue.accept()
            except (BlockingIOError, ConnectionError):
                return
            connection.setblocking(False)
            adopting = self._loop.connect_accepted_socket(welcome.factory, connection, **welcome.tls)
            if not welcome.tls:
                await adopting
                continue
            # Not one after the other: a client that says nothing would hold up the rest.
            task = self._loop.create_task(adopting)
            self._shaking.add(task)
            task.add_done_callback(self._on_shaken)

    def _on_shaken(self, task: asyncio.Task[Any]) -> None:
        self._shaking.discard(task)
        if not task.cancelled():
            task.exception()  # A handshake that failed is the client's business.
