"""Targets that are not there: each connection that the gateway makes ends here, and gets the agreed answer.

What was asked is kept byte for byte as the target would have read it. Names always resolve, each to an
address of its own out of the block for benchmarks (RFC 2544), which no network routes; so a target can be
told from its address, and a name never leaves this machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv4Address
from typing import Any

import httptools

from dbless_gateway.proxy.upstream import TargetConnection
from dbless_gateway.rehearsal.wires import Wire
from dbless_gateway.runtime.dns_answer import Answer, Record

_FIRST_ADDRESS = int(IPv4Address("198.18.0.1"))
_BODILESS = frozenset((204, 304))
_FOREVER_S = 1e9


@dataclass(frozen=True, slots=True)
class TargetAnswer:
    """What every target answers; ``refuses`` stands for a target that cannot be reached."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    refuses: bool = False

    def to_bytes(self, method: str) -> bytes:
        """Return the response to a request of this method."""
        phrase = HTTPStatus(self.status).phrase if self.status in HTTPStatus._value2member_map_ else "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.status in _BODILESS:
            return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        lines.append(f"Content-Length: {len(self.body)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        return head if method == "HEAD" else head + self.body


@dataclass(frozen=True, slots=True)
class TargetRequest:
    """A request as a target has read it."""

    scheme: str
    address: str  # name or IP address, with the port
    server_name: str | None
    method: str
    target: str  # path and query
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def url(self) -> str:
        """The URL that was asked for, with the address that was connected to."""
        return f"{self.scheme}://{self.address}{self.target}"

    def header(self, name: str) -> str | None:
        """Return the values of a header, joined; None when there is none."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None


class EveryName:
    """Stands where the resolver is: every name has exactly one address."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def watch(self, name: str, changed: Callable[[], None]) -> _Resolved:
        """Return the answer, which never changes."""
        return _Resolved(Answer("A", (Record(self._address_of(name), name, 0, None),), _FOREVER_S))

    def name_of(self, address: str) -> str:
        """Return the name behind an address; an address that was not given out speaks for itself."""
        found = self._names.get(address, address)
        return f"[{found}]" if ":" in found else found

    def _address_of(self, name: str) -> str:
        address = self._addresses.get(name)
        if address is None:
            address = str(IPv4Address(_FIRST_ADDRESS + len(self._addresses)))
            self._addresses[name] = address
            self._names[address] = name
        return address


class _Resolved:
    """``runtime.lineup.Watch``."""

    def __init__(self, answer: Answer) -> None:
        self.answer: Answer | None = answer

    def close(self) -> None:
        """There is nothing to stop."""


class Targets:
    """All targets of a rehearsal: what they answer, and what they have been asked."""

    def __init__(self, names: EveryName) -> None:
        self.answer = TargetAnswer()
        self.requests: list[TargetRequest] = []
        self._names = names

    def connect(
        self, connection: TargetConnection, host: str, port: int, server_name: str | None, *, tls: bool
    ) -> Wire:
        """Take a connection of the gateway."""
        if self.answer.refuses:
            raise ConnectionRefusedError("the target of this rehearsal refuses connections")
        address = f"{self._names.name_of(host)}:{port}"
        reader = _RequestReader(self, "https" if tls else "http", address, server_name)
        wire = Wire(connection, reader.feed, {"peername": (host, port)})
        reader.wire = wire
        connection.connection_made(wire)
        return wire


class _RequestReader:
    """The far end of one connection: reads requests, one after the other, and has them answered."""

    def __init__(self, targets: Targets, scheme: str, address: str, server_name: str | None) -> None:
        self._targets = targets
        self._place = (scheme, address, server_name)
        self.wire: Wire | None = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._begin()

    def feed(self, data: bytes | None) -> None:
        """Take what the gateway has sent."""
        if data is None:
            self._parser = None  # Parser and reader refer to each other.
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request is complete; targets here speak nothing but HTTP.
            self._parser = httptools.HttpRequestParser(self)

    def _begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line."""
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """The request is complete."""
        method = self._parser.get_method().decode("ascii")
        scheme, address, server_name = self._place
        request = TargetRequest(
            scheme,
            address,
            server_name,
            method,
            self._target.decode("latin-1"),
            tuple(self._headers),
            bytes(self._body),
        )
        self._begin()
        self._targets.requests.append(request)
        answer = self._targets.answer.to_bytes(method)
        if self.wire is not None:
            asyncio.get_running_loop().call_soon(self.wire.deliver, answer)
