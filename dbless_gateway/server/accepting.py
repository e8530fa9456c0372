"""Taking connections from inherited listening sockets, and stopping so that no queued client is turned away.

A client whose handshake the kernel has completed is in the queue of the listening socket, and closing the
socket would reset it. So stopping first takes what is queued. The supervisor must have closed its own copies
before, since the kernel goes on queueing as long as anybody holds the socket.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from dbless_gateway.server.control import InheritedListener

ProtocolFactory = Callable[[], asyncio.BaseProtocol]

# Turns of the loop between taking the last connection and the beginning of the drain: the requests that have
# already arrived on it are read in the first of them and are in flight from then on.
_TURNS_TO_READ = 3


class Acceptor:
    """Accepts on a worker's listeners."""

    def __init__(
        self,
        listeners: Sequence[InheritedListener],
        protocol_factory: Callable[[str, int], ProtocolFactory],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._listeners = listeners
        self._protocol_factory = protocol_factory
        self._loop = loop
        self._servers: list[tuple[asyncio.Server, socket.socket, ProtocolFactory]] = []

    async def start(self) -> None:
        """Accept from now on; a second call does nothing."""
        if self._servers:
            return
        for listener in self._listeners:
            sock = socket.socket(fileno=listener.fd)
            factory = self._protocol_factory(listener.scheme, listener.port)
            # The backlog is given again because every call of listen() sets it.
            server = await self._loop.create_server(factory, sock=sock, backlog=listener.backlog)
            self._servers.append((server, sock, factory))

    async def stop(self) -> None:
        """Take what is queued, then accept nothing more."""
        servers, self._servers = self._servers, []
        for server, sock, factory in servers:
            queue = sock.dup()
            queue.setblocking(False)
            server.close()
            await self._take_queued(queue, factory)
            queue.close()
        for _ in range(_TURNS_TO_READ):
            await asyncio.sleep(0)

    async def _take_queued(self, queue: socket.socket, factory: ProtocolFactory) -> None:
        while True:
            try:
                connection, _ = queue.accept()
            except (BlockingIOError, ConnectionError):
                return
            connection.setblocking(False)
            await self._loop.connect_accepted_socket(factory, connection)
