"""Nothing but the gateway's own connections gets anywhere, and those end at the targets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from dbless_gateway.rehearsal.loop import IsolatedLoop
from dbless_gateway.rehearsal.targets import EveryName, Targets
from dbless_gateway.rehearsal.wires import TlsSession, Wire


@pytest.fixture
def loop() -> Iterator[IsolatedLoop]:
    loop = IsolatedLoop(Targets(EveryName()))
    yield loop
    loop.close()


WAYS_OUT: dict[str, Callable[[asyncio.AbstractEventLoop], Coroutine[Any, Any, Any]]] = {
    "tcp": lambda loop: asyncio.open_connection("127.0.0.1", 1),
    "unix": lambda loop: asyncio.open_unix_connection("/run/x"),
    "udp": lambda loop: loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", 1)),
    "name": lambda loop: loop.getaddrinfo("localhost", 80),
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_ways_out_are_closed(loop: IsolatedLoop, way: str) -> None:
    with pytest.raises(ConnectionRefusedError, match="there is no network in a rehearsal"):
        loop.run_until_complete(WAYS_OUT[way](loop))


class Recorder:
    def __init__(self) -> None:
        self.calls: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.calls.append(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.calls.append(error)


def test_a_wire_behaves_as_a_transport(loop: IsolatedLoop) -> None:
    near, far = Recorder(), Recorder()

    async def use() -> None:
        wire = Wire(near, far.calls.append, {"peername": ("a", 1)})
        wire.pause_reading()
        wire.deliver(b"in")
        wire.resume_reading()
        wire.set_write_buffer_limits(high=1)
        wire.write(memoryview(b"out"))
        assert wire.get_extra_info("peername") == ("a", 1)
        assert wire.get_write_buffer_size() == 0
        assert not wire.is_closing()
        wire.close()
        assert near.calls == [b"in"], "the end comes from the loop"
        wire.abort()
        wire.write(b"lost")
        wire.deliver(b"lost")
        assert wire.is_closing()
        await asyncio.sleep(0)

    loop.run_until_complete(use())

    assert near.calls == [b"in", None]
    assert far.calls == [b"out", None]


def test_names_have_one_address_each() -> None:
    names = EveryName()
    answers = [names.watch(name, lambda: None).answer for name in ("a.test", "b.test", "a.test")]
    addresses = [answer.records[0].ip for answer in answers if answer is not None]

    assert addresses[0] == addresses[2] != addresses[1]
    assert names.name_of(addresses[1]) == "b.test"
    assert names.name_of("10.0.0.1") == "10.0.0.1"
    assert names.name_of("2001:db8::1") == "[2001:db8::1]"


def test_what_tls_would_have_agreed_on() -> None:
    session = TlsSession("a.test")

    assert (session.gateway_sni, session.version(), session.cipher()[1]) == ("a.test", "TLSv1.3", "TLSv1.3")
    assert session.getpeercert() is None
