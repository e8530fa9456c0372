"""A target as a process of its own, which can be killed and frozen, and told to misbehave.

``POST /mode/<mode>`` sets what it does from then on:

    well   answers 200
    500    answers 500, to health checks as well
    head   resets the connection in the middle of each response's head
    body   resets it in the middle of each body; health checks get a 503
"""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.support.client import fetch
from tests.support.gateway import REPOSITORY
from tests.support.ports import free_ports

_BODY = b"well\n"
_HEALTH = "/health"


class Target:
    """The process, seen from a test; a context manager."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self.address = f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start the process; return when it listens."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(self.port)], cwd=REPOSITORY, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"listening\n"

    def kill(self) -> None:
        """End it at once, frozen or not."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def freeze(self) -> None:
        """Let it do nothing more; its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def behave(self, mode: str) -> None:
        """Set what it does from now on."""
        assert fetch(self.port, f"/mode/{mode}", method="POST").status == 200


class _Connections:
    """The process's side."""

    def __init__(self) -> None:
        self.mode = "well"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _read_head(reader):
            path = head.split(b" ")[1].decode()
            if path.startswith("/mode/"):
                self.mode = path.removeprefix("/mode/")
                writer.write(_response(200))
            elif self.mode == "head" or (self.mode == "body" and path != _HEALTH):
                whole = _response(200)
                writer.write(whole[:-2] if self.mode == "body" else whole[:20])
                await writer.drain()
                _reset(writer)
                return
            else:
                writer.write(_response({"well": 200, "500": 500, "body": 503}[self.mode]))
        writer.close()


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def _response(status: int) -> bytes:
    return b"HTTP/1.1 %d Drill\r\nContent-Length: %d\r\n\r\n" % (status, len(_BODY)) + _BODY


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _main(port: int) -> None:
    server = await asyncio.start_server(_Connections().serve, "127.0.0.1", port, reuse_address=True)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
