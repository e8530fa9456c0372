"""Connections on which plugins send to somebody else: datagrams and lines.

Senders outlive handlers (``Host.resource`` keeps them), connect when there is something to send, and connect
again when the other side has gone. They wait, so only queues call them.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from time import monotonic

# A name may move to another address; a datagram socket is made anew after this time.
_ADDRESS_LIFETIME_S = 60.0


class UdpSender:
    """Sends datagrams to one place."""

    def __init__(self, host: str, port: int, timeout_s: float = 10.0) -> None:
        self._address = (host, port)
        self._timeout_s = timeout_s
        self._opening = asyncio.Lock()  # a queue may send several entries at once
        self._socket: socket.socket | None = None
        self._made_at = 0.0

    async def send(self, datagrams: Sequence[bytes]) -> None:
        """Send each as one datagram; whether it arrives nobody knows."""
        async with self._opening:
            if self._socket is None or monotonic() - self._made_at > _ADDRESS_LIFETIME_S:
                self.close()
                self._socket = await self._open()
                self._made_at = monotonic()
            # The socket's own call, because a transport's costs more than the kernel's part of it.
            send = self._socket.send
            for datagram in datagrams:
                try:
                    send(datagram)
                except BlockingIOError:
                    await asyncio.get_running_loop().sock_sendall(self._socket, datagram)
                except OSError:
                    continue  # Too large, or nobody listens there.

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _open(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._timeout_s):
            found = await loop.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        made = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        try:
            made.connect(address)
        except OSError:
            made.close()
            raise
        return made


class TcpSender:
    """Sends bytes on one connection that is kept."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout_s: float,
        keepalive_s: float,
        tls: bool = False,
        sni: str | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._keepalive_s = keepalive_s
        self._context = unverified_context() if tls else None
        self._sni = sni
        self._sending = asyncio.Lock()  # a queue may send several entries at once
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_at = 0.0

    async def send(self, data: bytes) -> None:
        """Send all of it, on a new connection when the kept one has been closed by the other side."""
        async with asyncio.timeout(self._timeout_s), self._sending:
            streams = self._kept()
            if streams is None:
                streams = self.streams = await asyncio.open_connection(
                    self._host, self._port, ssl=self._context, server_hostname=self._server_name()
                )
            try:
                streams[1].write(data)
                await streams[1].drain()
            except BaseException:
                self.close()
                raise
        self._used_at = monotonic()

    def close(self) -> None:
        """Give the connection back."""
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        if self.streams is not None:
            reader, writer = self.streams
            is_stale = monotonic() - self._used_at > self._keepalive_s
            if is_stale or reader.at_eof() or writer.is_closing():
                self.close()
        return self.streams

    def _server_name(self) -> str | None:
        if self._context is None:
            return None
        return self._sni or self._host


def unverified_context() -> ssl.SSLContext:
    """Return a TLS context that encrypts without verifying: Kong's log plugins check no certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
