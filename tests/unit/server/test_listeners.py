from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from dbless_gateway.server.listen import Listen
from dbless_gateway.server.listeners import Listener, ListenError, bind_all

ANY = Listen("127.0.0.1", 0)


@contextmanager
def bound(*listens: Listen, slots: int = 2) -> Iterator[list[Listener]]:
    listeners = bind_all(listens, slots)
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.close()


def test_each_slot_has_a_socket_with_reuseport() -> None:
    with bound(replace(ANY, reuseport=True), slots=3) as (listener,):
        assert len(listener.sockets) == 3
        assert {sock.getsockname()[1] for sock in listener.sockets} == {listener.port}
        assert [listener.socket_for(slot) for slot in range(3)] == list(listener.sockets)
        assert listener.address == f"127.0.0.1:{listener.port}"


def test_all_slots_share_a_socket_without() -> None:
    with bound(ANY, slots=3) as (listener,):
        assert listener.socket_for(0) is listener.socket_for(2)


def test_clients_are_refused_until_it_starts() -> None:
    with bound(ANY) as (listener,):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", listener.port))
        listener.start()
        socket.create_connection(("127.0.0.1", listener.port)).close()


def test_ipv6() -> None:
    with bound(Listen("::1", 0)) as (listener,):
        assert listener.address == f"[::1]:{listener.port}"


@pytest.mark.parametrize("reuseport", [False, True])
def test_a_taken_address_is_told_as_nginx_does(reuseport: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ListenError, match=rf"bind\(\) to 127.0.0.1:{port} failed \(98: Address already in use\)"
        ):
            bind_all([Listen("127.0.0.1", port, reuseport=reuseport)], 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_an_address_that_another_gateway_shares_is_taken(host: str) -> None:
    listen = Listen(host, 0, reuseport=True)
    with bound(listen) as (listener,):
        listener.start()
        with pytest.raises(ListenError, match="98: Address already in use"):
            bind_all([replace(listen, port=listener.port)], 1)


def test_nothing_stays_bound_when_one_address_fails() -> None:
    with bound(ANY) as (listener,):
        port = listener.port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = [Listen("127.0.0.1", port), Listen("127.0.0.1", taken.getsockname()[1])]
        with pytest.raises(ListenError):
            bind_all(wanted, 1)
    with bound(wanted[0]):
        pass


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(ListenError, match=r"^no such name:80: "):
        bind_all([Listen("no such name", 80)], 1)


@pytest.mark.parametrize(
    ("listen", "level", "option", "expected"),
    [
        (replace(ANY, so_keepalive="on"), socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (replace(ANY, so_keepalive="off"), socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0),
        (replace(ANY, so_keepalive="30::4"), socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
        (replace(ANY, so_keepalive="30::4"), socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
        (Listen("::", 0, ipv6only=False), socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0),
        (Listen("::1", 0), socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1),
    ],
)
def test_options_of_sockets(listen: Listen, level: int, option: int, expected: int) -> None:
    with bound(listen) as (listener,):
        assert listener.sockets[0].getsockopt(level, option) == expected
