"""The conditions that a route puts on a request: one small class per matching attribute.

A route matches when all its conditions hold. ``kind`` is the attribute's name in the file, which is also how
``explain`` names the one that failed. Conditions are immutable, and calling one never raises for any request.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import ClassVar, Protocol

from dbless_gateway.config.records import dataclass
from dbless_gateway.routing.hosts import HostPattern
from dbless_gateway.routing.regexes import Regex
from dbless_gateway.routing.request import Request

_ENCRYPTED = frozenset((b"https", b"tls"))

Network = IPv4Network | IPv6Network


class Condition(Protocol):
    """A yes-or-no question about a request."""

    @property
    def kind(self) -> str:
        """The attribute of the route that asks it."""

    def __call__(self, request: Request) -> bool: ...


class PathCondition(Condition, Protocol):
    """A condition that also tells how much of the path it took."""

    def matched(self, request: Request) -> tuple[bytes | None, Regex | None]:
        """Return the matched part, and the regex when it has groups; only for a request that fits."""


@dataclass(frozen=True, slots=True)
class MethodIn:
    methods: frozenset[bytes]
    kind: ClassVar[str] = "methods"

    def __call__(self, request: Request) -> bool:
        return request.method in self.methods


@dataclass(frozen=True, slots=True)
class HostIn:
    """Hosts of the compatible flavour; a pattern's port is compared with the port that the client means."""

    patterns: tuple[HostPattern, ...]
    kind: ClassVar[str] = "hosts"

    def __call__(self, request: Request) -> bool:
        name = request.host_name
        for pattern in self.patterns:
            if pattern.takes_name(name) and (pattern.port is None or pattern.port == request.port):
                return True
        return False


@dataclass(frozen=True, slots=True)
class PathStarts:
    prefix: bytes
    kind: ClassVar[str] = "paths"

    def __call__(self, request: Request) -> bool:
        return request.path.startswith(self.prefix)

    def matched(self, request: Request) -> tuple[bytes | None, Regex | None]:
        return self.prefix, None


@dataclass(frozen=True, slots=True)
class PathFound:
    """A regular expression on the path."""

    regex: Regex
    kind: ClassVar[str] = "paths"

    def __call__(self, request: Request) -> bool:
        request.finder = self
        request.found = spans = self.regex.spans_in(request.path)
        return spans is not None

    def matched(self, request: Request) -> tuple[bytes | None, Regex | None]:
        spans = request.found if request.finder is self else self.regex.spans_in(request.path)
        part = None if spans is None else request.path[spans[0][0] : spans[0][1]]
        return part, (self.regex if self.regex.group_count else None)


@dataclass(frozen=True, slots=True)
class HeaderIs:
    """One named header: any of its values may fit any of the route's; all in lower case."""

    name: bytes
    values: frozenset[bytes]
    regexes: tuple[Regex, ...]

    @property
    def kind(self) -> str:
        return "headers." + self.name.decode()

    def __call__(self, request: Request) -> bool:
        for value in request.headers.get_all(self.name):
            folded = value.lower()
            if folded in self.values:
                return True
            for regex in self.regexes:
                if regex.found_in(folded):
                    return True
        return False


@dataclass(frozen=True, slots=True)
class SniIn:
    """SNIs; without TLS the attribute counts as matched, so that a redirect to https can be answered."""

    patterns: tuple[HostPattern, ...]
    kind: ClassVar[str] = "snis"

    def __call__(self, request: Request) -> bool:
        if request.conn.scheme not in _ENCRYPTED:
            return True
        sni = request.conn.sni
        if sni is None:
            return False
        name = sni.lower()
        return any(pattern.takes_name(name) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class AddressRule:
    """An element of ``sources`` or ``destinations``; each part that is given must fit."""

    network: Network | None
    port: int | None

    def takes(self, ip: str, port: int) -> bool:
        """Tell whether this end of a connection fits."""
        if self.port is not None and self.port != port:
            return False
        return self.network is None or in_network(ip, self.network)


def in_network(ip: str, network: Network) -> bool:
    """Tell whether the address is in the network; what is no address (a Unix socket) is in none."""
    try:
        return ip_address(ip) in network
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class SourceIn:
    rules: tuple[AddressRule, ...]
    kind: ClassVar[str] = "sources"

    def __call__(self, request: Request) -> bool:
        conn = request.conn
        return any(rule.takes(conn.src_ip, conn.src_port) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class DestinationIn:
    """``destinations`` of an http route: its port is the one the Host header names, if any."""

    rules: tuple[AddressRule, ...]
    kind: ClassVar[str] = "destinations"

    def __call__(self, request: Request) -> bool:
        return any(rule.takes(request.conn.dst_ip, request.port) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class ProtocolIn:
    """The connection's protocol; only the expressions flavour asks for it."""

    schemes: frozenset[bytes]
    kind: ClassVar[str] = "protocols"

    def __call__(self, request: Request) -> bool:
        return request.conn.scheme in self.schemes
