"""Places on loopback that plugins send to: lines over TCP, datagrams, HTTP requests with scripted answers.

Each is an asynchronous context manager that leaves nothing open behind it.
"""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

# Beyond that it is not a busy machine but an entry that nobody sent.
LIMIT_S = 60.0


class TcpSink:
    """Keeps the lines that come; hangs up after each when told to."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, hangs_up: bool = False) -> None:
        self.connections = 0
        self.port = 0
        self.hung_up = asyncio.Event()
        self._tls = tls
        self._hangs_up = hangs_up
        self._lines: asyncio.Queue[bytes] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def lines(self, count: int) -> list[bytes]:
        """Wait for so many lines."""
        async with asyncio.timeout(LIMIT_S):
            return [await self._lines.get() for _ in range(count)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._keep(reader, writer))
        self._tasks.add(task)
        await asyncio.wait({task})

    async def _keep(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        while line := await reader.readline():
            self._lines.put_nowait(line)
            if self._hangs_up:
                self.hung_up.set()
                return


class HttpSink(TcpSink):
    """Answers each request from a script: bytes to send, or None to hang up; the last one is repeated."""

    def __init__(self, *script: bytes | None, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self._script = list(script) or [OK]
        self._requests: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/log"

    async def requests(self, count: int) -> list[tuple[bytes, bytes]]:
        """Wait for so many requests; each is (head, body)."""
        async with asyncio.timeout(LIMIT_S):
            return [await self._requests.get() for _ in range(count)]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            self._requests.put_nowait((head[:-4], await reader.readexactly(length)))
            answer = self._script[0] if len(self._script) == 1 else self._script.pop(0)
            if answer is None:
                return
            writer.write(answer)
            if b"Connection: close" in answer:
                return


class UdpSink(asyncio.DatagramProtocol):
    """Keeps the datagrams that come."""

    def __init__(self) -> None:
        self.port = 0
        self._datagrams: asyncio.Queue[bytes] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._datagrams.put_nowait(data)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._transport is not None
        self._transport.close()

    async def datagrams(self, count: int) -> list[bytes]:
        """Wait for so many datagrams."""
        async with asyncio.timeout(LIMIT_S):
            return [await self._datagrams.get() for _ in range(count)]
