"""Taking connections from inherited listening sockets, and stopping so that no queued client is turned away.

A client whose handshake the kernel has completed is in the queue of the listening socket, and closing the
socket would reset it. So stopping first takes what is queued. The supervisor must have closed its own copies
before, since the kernel goes on queueing as long as anybody holds the socket.

Listeners with ``proxy_protocol`` are accepted from here, because the PROXY header comes before everything
that the loop would read; all others by the loop itself, which is quicker.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, NamedTuple

from dbless_gateway.server import logs
from dbless_gateway.server.control import InheritedListener
from dbless_gateway.server.proxy_protocol import BadProxyHeader, read_proxy_header

_log = logging.getLogger(__name__)

# Called with ``source`` where a PROXY header has named one.
ProtocolFactory = Callable[..., asyncio.BaseProtocol]

# Turns of the loop between taking the last connection and the beginning of the drain: the requests that have
# already arrived on it are read in the first of them and are in flight from then on.
_TURNS_TO_READ = 3
# How long clients from the queue have for their PROXY headers before the drain begins.
_QUEUED_HEADERS_S = 2.0
# Connections accepted in one turn of the loop; the others stay in the kernel's queue for the next one.
_ACCEPTED_AT_ONCE = 64
# How long accepting pauses when there are no descriptors left: the queue holds the clients meanwhile.
_EXHAUSTED_PAUSE_S = 0.5
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class _Welcome(NamedTuple):
    """What becomes of a connection."""

    factory: ProtocolFactory
    is_proxied: bool


class Acceptor:
    """Accepts on a worker's listeners."""

    def __init__(
        self,
        listeners: Sequence[InheritedListener],
        protocol_factory: Callable[[str, int], ProtocolFactory],
        loop: asyncio.AbstractEventLoop,
        *,
        header_timeout_s: float,
    ) -> None:
        """``header_timeout_s`` is for the PROXY header."""
        self._listeners = listeners
        self._protocol_factory = protocol_factory
        self._header_timeout_s = header_timeout_s
        self._loop = loop
        self._open: list[tuple[Callable[[], None], socket.socket, _Welcome]] = []
        self._welcoming: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Accept from now on; a second call does nothing."""
        if self._open:
            return
        for listener in self._listeners:
            sock = socket.socket(fileno=listener.fd)
            factory = self._protocol_factory(listener.scheme, listener.port)
            welcome = _Welcome(factory, listener.proxy_protocol)
            self._open.append((await self._listen(sock, listener.backlog, welcome), sock, welcome))

    async def _listen(self, sock: socket.socket, backlog: int, welcome: _Welcome) -> Callable[[], None]:
        """Accept on a socket; return what ends that."""
        if welcome.is_proxied:
            sock.setblocking(False)
            # Sockets of unix addresses came here listening; every call of listen() sets the backlog anew.
            sock.listen(backlog)
            self._loop.add_reader(sock, self._accept_proxied, sock, welcome)
            return lambda: self._stop_proxied(sock)
        create: Any = self._loop.create_server
        if sock.family == socket.AF_UNIX:
            create = self._loop.create_unix_server
        # The backlog is given again because every call of listen() sets it.
        server: asyncio.Server = await create(welcome.factory, sock=sock, backlog=backlog)
        return server.close

    def _stop_proxied(self, sock: socket.socket) -> None:
        self._loop.remove_reader(sock)
        sock.close()

    async def stop(self) -> None:
        """Take what is queued, then accept nothing more."""
        listening, self._open = self._open, []
        for close, sock, welcome in listening:
            queue = sock.dup()
            queue.setblocking(False)
            close()
            await self._take_queued(queue, welcome)
            queue.close()
        if self._welcoming:
            await asyncio.wait(self._welcoming, timeout=_QUEUED_HEADERS_S)
        for _ in range(_TURNS_TO_READ):
            await asyncio.sleep(0)

    async def _take_queued(self, queue: socket.socket, welcome: _Welcome) -> None:
        while True:
            try:
                connection, _ = queue.accept()
            except OSError:
                return  # None is left, or there is no descriptor for it.
            connection.setblocking(False)
            if welcome.is_proxied:
                # Not one after the other: a client that says nothing would hold up the rest.
                self._spawn(self._adopt(connection, welcome))
            else:
                await self._loop.connect_accepted_socket(welcome.factory, connection)

    # Behind a PROXY header.

    def _accept_proxied(self, sock: socket.socket, welcome: _Welcome) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, _ = sock.accept()
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(sock, welcome, error)
                return
            connection.setblocking(False)
            self._spawn(self._adopt(connection, welcome))

    def _pause(self, sock: socket.socket, welcome: _Welcome, error: OSError) -> None:
        logs.event(_log, "crit", "accepting pauses", reason=error.strerror)
        self._loop.remove_reader(sock)
        self._loop.call_later(_EXHAUSTED_PAUSE_S, self._go_on, sock, welcome)

    def _go_on(self, sock: socket.socket, welcome: _Welcome) -> None:
        if sock.fileno() >= 0:
            self._loop.add_reader(sock, self._accept_proxied, sock, welcome)

    async def _adopt(self, connection: socket.socket, welcome: _Welcome) -> None:
        """Read the PROXY header, then let the connection in."""
        try:
            async with asyncio.timeout(self._header_timeout_s):
                source = await read_proxy_header(connection, self._loop)
            factory = partial(welcome.factory, source=source)
            await self._loop.connect_accepted_socket(factory, connection)
        except (BadProxyHeader, OSError) as error:
            # The client's business, or the balancer's: no more than a line.
            logs.event(_log, "info", "a connection is closed before its first request", reason=error)
            connection.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._welcoming.add(task)
        task.add_done_callback(self._welcoming.discard)
