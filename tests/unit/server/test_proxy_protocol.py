"""PROXY headers: both versions, in any cut, and what is none."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address

import pytest
import uvloop

from dbless_gateway.server.proxy_protocol import (
    BadProxyHeader,
    Source,
    header_length,
    read_proxy_header,
    source_of,
)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def binary(source: str, port: int, *, command: int = 0x21, extra: bytes = b"") -> bytes:
    """Return a header of version 2 for a TCP connection."""
    address = ip_address(source)
    family = 0x11 if address.version == 4 else 0x21
    body = address.packed * 2 + port.to_bytes(2, "big") + b"\x01\xbb" + extra
    return SIGNATURE + bytes((command, family)) + len(body).to_bytes(2, "big") + body


HEADERS = [
    (b"PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n", Source("192.0.2.1", 56324)),
    (b"PROXY TCP6 2001:db8::1 2001:db8::9 1 443\r\n", Source("2001:db8::1", 1)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN a b c d\r\n", None),
    (binary("192.0.2.1", 56324), Source("192.0.2.1", 56324)),
    (binary("2001:db8::1", 65535, extra=b"\x04\x00\x01x"), Source("2001:db8::1", 65535)),
    (binary("192.0.2.1", 1, command=0x20), None),
    (SIGNATURE + b"\x20\x00\x00\x00", None),
    (SIGNATURE + b"\x21\x31\x00\x00", None),  # A unix socket in front of the balancer.
]


@pytest.mark.parametrize(("header", "source"), HEADERS)
def test_headers(header: bytes, source: Source | None) -> None:
    assert header_length(header + b"GET / HTTP/1.1\r\n") == len(header)
    assert source_of(header) == source
    for cut in range(len(header)):
        assert header_length(header[:cut]) in (None, len(header))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n", b"PROXX", b"proxy TCP4", b"\x16\x03\x01", b"\r\n\r\nX",
        b"PROXY TCP4 " + b"1" * 100,
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
)  # fmt: skip
def test_what_is_no_header_is_told_at_once(data: bytes) -> None:
    with pytest.raises(BadProxyHeader):
        header_length(data)


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 192.0.2.256 192.0.2.9 1 2\r\n", b"PROXY TCP4 ::1 ::1 1 2\r\n", b"PROXY TCP4\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.9 1 2\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.9 x 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.9 65536 2\r\n", b"PROXY TCP4  192.0.2.1 192.0.2.9 1 2\r\n",
        binary("192.0.2.1", 1, command=0x22), binary("192.0.2.1", 1, command=0x31),
        SIGNATURE + b"\x21\x11\x00\x04abcd", SIGNATURE + b"\x21\x21\x00\x0c" + b"x" * 12,
    ],
)  # fmt: skip
def test_headers_that_say_nonsense(header: bytes) -> None:
    assert header_length(header) == len(header)
    with pytest.raises(BadProxyHeader):
        source_of(header)


@pytest.mark.parametrize(("header", "source"), HEADERS)
@pytest.mark.parametrize("at_once", [True, False])
def test_reading_leaves_what_follows(header: bytes, source: Source | None, at_once: bool) -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            reading = asyncio.ensure_future(read_proxy_header(ours, asyncio.get_running_loop()))
            data = header + b"rest"
            for piece in [data] if at_once else [data[i : i + 1] for i in range(len(data))]:
                theirs.sendall(piece)
                await asyncio.sleep(0)
            assert await reading == source
            assert ours.recv(100) == b"rest"

    uvloop.run(scenario())


def test_a_peer_that_closes_early() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.sendall(b"PROXY ")
        theirs.close()
        with ours, pytest.raises(BadProxyHeader, match="closed"):
            await read_proxy_header(ours, asyncio.get_running_loop())

    uvloop.run(scenario())
