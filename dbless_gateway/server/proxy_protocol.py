"""The PROXY protocol: who the client of a balancer is, told in a header before the client's first byte.

Versions 1 (a line) and 2 (binary). The functions that judge bytes are pure; ``read_proxy_header`` takes
exactly the header from a socket and leaves what follows, a request or a TLS handshake, for who comes next.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

# The longest line that version 1 allows, with its end.
_LINE_MAX_BYTES = 107
# Version 2 may carry as much as 64 KiB behind the addresses; nobody sends more than a few hundred bytes.
_HEADER_MAX_BYTES = 4096
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED_BYTES = 16
_LINE_START = b"PROXY "

_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21


class BadProxyHeader(Exception):
    """The bytes are no PROXY header."""


class Source(NamedTuple):
    """Where the client's connection comes from."""

    ip: str
    port: int


def header_length(data: bytes) -> int | None:
    """Return how long the header is that these bytes begin with; None: more bytes are needed to tell."""
    if data.startswith(_LINE_START):
        end = data.find(b"\r\n", 0, _LINE_MAX_BYTES)
        if end < 0 and len(data) >= _LINE_MAX_BYTES:
            raise BadProxyHeader("the line is too long")
        return end + 2 if end >= 0 else None
    if data.startswith(_SIGNATURE):
        if len(data) < _FIXED_BYTES:
            return None
        length = _FIXED_BYTES + int.from_bytes(data[14:16], "big")
        if length > _HEADER_MAX_BYTES:
            raise BadProxyHeader("the header is too long")
        return length
    if _LINE_START.startswith(data) or _SIGNATURE.startswith(data):
        return None
    raise BadProxyHeader("not a PROXY header")


def source_of(header: bytes) -> Source | None:
    """Return the client that a whole header names; None: the balancer itself, or nothing that has a port."""
    try:
        return _source_of_line(header) if header.startswith(_LINE_START) else _source_of_binary(header)
    except ValueError:
        raise BadProxyHeader("an address is wrong") from None


def _source_of_line(header: bytes) -> Source | None:
    fields = header[len(_LINE_START) : -2].decode("latin-1").split(" ")
    if fields[0] == "UNKNOWN":
        return None
    if fields[0] not in ("TCP4", "TCP6") or len(fields) != 5:
        raise BadProxyHeader("the line has another form")
    address = (IPv4Address if fields[0] == "TCP4" else IPv6Address)(fields[1])
    port = int(fields[3])
    if not 0 <= port <= 65535:
        raise ValueError
    return Source(str(address), port)


def _source_of_binary(header: bytes) -> Source | None:
    command, family = header[12], header[13]
    if command == _LOCAL:
        return None
    if command != _PROXY:
        raise BadProxyHeader("an unknown version or command")
    if family == _TCP4 and len(header) >= _FIXED_BYTES + 12:
        return Source(str(IPv4Address(header[16:20])), int.from_bytes(header[24:26], "big"))
    if family == _TCP6 and len(header) >= _FIXED_BYTES + 36:
        return Source(str(IPv6Address(header[16:32])), int.from_bytes(header[48:50], "big"))
    if family in (_TCP4, _TCP6):
        raise BadProxyHeader("the addresses are cut")
    return None


async def read_proxy_header(sock: socket.socket, loop: asyncio.AbstractEventLoop) -> Source | None:
    """Take the header from a socket that does not block, and not a byte more."""
    header = b""
    while True:
        await _readable(sock, loop)
        peeked = sock.recv(_HEADER_MAX_BYTES, socket.MSG_PEEK)
        if not peeked:
            raise BadProxyHeader("closed before the PROXY header")
        length = header_length(header + peeked)
        missing = len(peeked) if length is None else min(len(peeked), length - len(header))
        header += sock.recv(missing)
        if len(header) == length:
            return source_of(header)


async def _readable(sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
    arrived: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _resolve, arrived)
    try:
        await arrived
    finally:
        loop.remove_reader(sock)


def _resolve(arrived: asyncio.Future[None]) -> None:
    if not arrived.done():
        arrived.set_result(None)
