"""Host names with ports and wildcards: how a route's ``hosts`` and a request's Host header are read.

The two classic flavours cut the port off differently, so there are two functions for it. Everything is lower
case by the time it comes here. An SNI pattern is a host pattern without a port.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

_PORT = re.compile(rb":([0-9]+)\Z")
# More digits are no port, and int() must not be given thousands of them.
_PORT_DIGITS = 5
_NO_PORT = 1 << 16


class HostKind(Enum):
    """How ``HostPattern.text`` is compared."""

    EXACT = "exact"
    SUFFIX = "suffix"
    PREFIX = "prefix"
    ANY = "any"


class HostPattern(NamedTuple):
    """A host of a route; ``text`` is without ``*`` and without the port."""

    kind: HostKind
    text: bytes
    port: int | None

    def takes_name(self, name: bytes) -> bool:
        """Tell whether the name alone fits."""
        if self.kind is HostKind.EXACT:
            return name == self.text
        if self.kind is HostKind.SUFFIX:
            return name.endswith(self.text)
        return self.kind is HostKind.ANY or name.startswith(self.text)


ANY_HOST = HostPattern(HostKind.ANY, b"", None)


def parse_host(host: str) -> HostPattern:
    """Read an element of a route's ``hosts``."""
    name, port = split_port(host.lower().encode())
    return pattern_of(name, port)


def parse_sni(sni: str) -> HostPattern:
    """Read an element of a route's ``snis``; one trailing dot does not count."""
    return pattern_of(sni.lower().removesuffix(".").encode(), None)


def pattern_of(name: bytes, port: int | None) -> HostPattern:
    """Tell a plain name from one with a wildcard on either side."""
    if name.startswith(b"*"):
        return HostPattern(HostKind.SUFFIX, name[1:], port)
    if name.endswith(b"*"):
        return HostPattern(HostKind.PREFIX, name[:-1], port)
    return HostPattern(HostKind.EXACT, name, port)


def split_port(host: bytes) -> tuple[bytes, int | None]:
    """Cut at the first colon when only digits follow, as traditional_compatible does; IPv6 stays whole."""
    colon = host.find(b":")
    if colon < 0:
        return host, None
    found = _PORT.match(host, colon)
    if found is None:
        return host, None
    return host[:colon], _port_of(found[1])


def split_port_bracketed(host: bytes) -> tuple[bytes, int | None]:
    """Cut off a port, also behind an IPv6 address in brackets (traditional)."""
    if host.startswith(b"["):
        found = _PORT.search(host)
        if found is None or host[found.start() - 1 : found.start()] != b"]":
            return host, None
        return host[: found.start()], _port_of(found[1])
    return split_port(host)


def _port_of(digits: bytes) -> int:
    return int(digits) if len(digits) <= _PORT_DIGITS else _NO_PORT
