"""Senders over real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket

import pytest

from dbless_gateway.pdk import senders
from dbless_gateway.pdk.senders import TcpSender, UdpSender
from tests.support.certificates import self_signed
from tests.support.sinks import TcpSink, UdpSink


def test_udp(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> list[bytes]:
        async with UdpSink() as sink:
            sender = UdpSender("127.0.0.1", sink.port)
            await sender.send([b"one", b"two"])
            monkeypatch.setattr(senders, "_ADDRESS_LIFETIME_S", -1)
            await sender.send([b"three"])
            received = await sink.datagrams(3)
            sender.close()
            sender.close()
            return received

    assert asyncio.run(scenario()) == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    ("keepalive_s", "hangs_up", "connections"), [(60, False, 1), (-1, False, 2), (60, True, 2)]
)
def test_tcp(keepalive_s: float, hangs_up: bool, connections: int) -> None:
    async def scenario() -> tuple[list[bytes], int]:
        async with TcpSink(hangs_up=hangs_up) as sink:
            sender = TcpSender("127.0.0.1", sink.port, timeout_s=5, keepalive_s=keepalive_s)
            received = []
            for line in (b"one\n", b"two\n"):
                await sender.send(line)
                received += await sink.lines(1)
                if hangs_up:
                    assert sender.streams is not None
                    assert await sender.streams[0].read() == b""
            sender.close()
            return received, sink.connections

    assert asyncio.run(scenario()) == ([b"one\n", b"two\n"], connections)


def test_tcp_with_tls() -> None:
    async def scenario() -> list[bytes]:
        async with TcpSink(tls=self_signed()) as sink:
            sender = TcpSender("127.0.0.1", sink.port, timeout_s=5, keepalive_s=60, tls=True, sni="logs.test")
            await sender.send(b"secret\n")
            received = await sink.lines(1)
            sender.close()
            return received

    assert asyncio.run(scenario()) == [b"secret\n"]


def test_what_is_sent_at_the_same_time_shares_a_connection() -> None:
    async def scenario() -> tuple[list[bytes], list[bytes], int]:
        async with TcpSink() as tcp, UdpSink() as udp:
            stream = TcpSender("127.0.0.1", tcp.port, timeout_s=5, keepalive_s=60)
            datagrams = UdpSender("127.0.0.1", udp.port)
            await asyncio.gather(*(stream.send(b"%d\n" % n) for n in range(3)))
            await asyncio.gather(*(datagrams.send([b"%d" % n]) for n in range(3)))
            received = await tcp.lines(3), await udp.datagrams(3), tcp.connections
            stream.close()
            datagrams.close()
            return received

    lines, datagrams, connections = asyncio.run(scenario())
    assert (sorted(lines), sorted(datagrams)) == ([b"0\n", b"1\n", b"2\n"], [b"0", b"1", b"2"])
    assert connections == 1


def test_a_datagram_that_is_too_large_is_lost_alone() -> None:
    async def scenario() -> list[bytes]:
        async with UdpSink() as sink:
            sender = UdpSender("127.0.0.1", sink.port)
            await sender.send([b"one", b"x" * 65508, b"two"])
            received = await sink.datagrams(2)
            sender.close()
            return received

    assert asyncio.run(scenario()) == [b"one", b"two"]


class ToOurselves(UdpSender):
    """Sends into one end of a pair, which holds few datagrams."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 9)
        self.receiver, self._sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.receiver, self._sender):
            end.setblocking(False)

    async def _open(self) -> socket.socket:
        return self._sender


def test_datagrams_wait_for_room() -> None:
    count = 3000

    async def scenario() -> list[bytes]:
        sender, loop = ToOurselves(), asyncio.get_running_loop()
        sending = loop.create_task(sender.send([b"%d" % n for n in range(count)]))
        received = [await loop.sock_recv(sender.receiver, 100) for _ in range(count)]
        await sending
        sender.close()
        sender.receiver.close()
        return received

    assert asyncio.run(scenario()) == [b"%d" % n for n in range(count)]


def test_datagrams_for_nobody_are_lost() -> None:
    async def scenario() -> None:
        async with UdpSink() as sink:
            port = sink.port
        sender = UdpSender("127.0.0.1", port)
        await sender.send([b"one", b"two"])
        await sender.send([b"three"])
        sender.close()

    asyncio.run(scenario())


def test_an_address_that_takes_no_datagrams() -> None:
    async def scenario() -> None:
        with pytest.raises(PermissionError):
            await UdpSender("255.255.255.255", 9).send([b"x"])

    asyncio.run(scenario())


def test_nobody_listens() -> None:
    async def scenario() -> None:
        async with TcpSink() as sink:
            port = sink.port
        sender = TcpSender("127.0.0.1", port, timeout_s=5, keepalive_s=60)
        with pytest.raises(OSError):  # noqa: PT011 - whatever the platform calls it.
            await sender.send(b"x")

    asyncio.run(scenario())
