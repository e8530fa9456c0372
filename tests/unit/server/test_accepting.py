from __future__ import annotations

import asyncio
import socket

import uvloop

from dbless_gateway.server.accepting import Acceptor
from dbless_gateway.server.control import InheritedListener


class Noting(asyncio.Protocol):
    """Notes each connection's first bytes."""

    def __init__(self, found: list[bytes]) -> None:
        self.found = found

    def data_received(self, data: bytes) -> None:
        self.found.append(data)


def test_stopping_takes_what_is_queued_and_reads_what_has_arrived() -> None:
    async def scenario() -> None:
        found: list[bytes] = []
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        port = listening.getsockname()[1]
        listener = InheritedListener(listening.detach(), "http", port, 16)
        acceptor = Acceptor(
            [listener],
            lambda scheme, port: lambda: Noting(found),
            asyncio.get_running_loop(),
            header_timeout_s=1.0,
        )
        await acceptor.start()
        await acceptor.start()  # Again is nothing.
        clients = []
        for number in range(5):
            clients.append(socket.create_connection(("127.0.0.1", port)))
            clients[-1].sendall(b"%d" % number)
        # The loop has had no turn yet: all five wait in the kernel's queue.
        await acceptor.stop()
        assert sorted(found) == [b"0", b"1", b"2", b"3", b"4"]
        for client in clients:
            client.close()
        refused = socket.socket()
        assert refused.connect_ex(("127.0.0.1", port)) != 0
        refused.close()

    uvloop.run(scenario())
