"""A peer: one resolved address of a target, with everything learned about it in this worker.

A peer lives as long as its address is named by the configuration; plans, weights and health change around it.
What is fixed (who it is) and what is assigned on each change of plan (how it is used now) are kept apart
below.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple

from dbless_gateway.balancing.health import HEALTHY, Report
from dbless_gateway.balancing.plan import Load
from dbless_gateway.runtime.health_messages import Address


class PeerId(NamedTuple):
    """What makes a peer the same one after a reload or a refreshed DNS answer."""

    target: str  # host:port as configured
    host: str  # name the address was found under, as the target sees it; the IP address for an IP target
    ip: str
    port: int


class Peer(Load):
    """See the module."""

    __slots__ = (
        "address",
        "available",
        "checked_address",
        "health",
        "host",
        "host_header",
        "host_header_tls",
        "id",
        "ip",
        "is_suspect",
        "on_trial",
        "own_failures",
        "port",
        "recovered_at_s",
        "seat",
        "server_name",
        "target",
        "trial_runs",
        "weight",
    )

    def __init__(self, peer_id: PeerId) -> None:
        super().__init__()
        # Who it is.
        self.id = peer_id
        self.target, self.host, self.ip, self.port = peer_id
        self.address = (peer_id.ip, peer_id.port)
        self.checked_address = Address(peer_id.host, peer_id.ip, peer_id.port)
        # How it is used now.
        self.seat = -1  # number in the current plan; -1 when it has none
        self.weight = 0
        self.available = True
        self.recovered_at_s: float | None = None  # monotonic; None once a slow start is over
        self.on_trial = False  # unavailable, but the next request may go there
        self.trial_runs = False  # that request is on its way
        self.own_failures: dict[Report, int] = {}  # of this worker, since the state was last settled
        self.is_suspect = False  # unavailable because of these, until the registry has judged
        self.health = HEALTHY  # or another state of balancing.health
        self.host_header = self.host_header_tls = b""
        self.server_name: str | None = None
        self.name_as(peer_id.host)

    def __repr__(self) -> str:
        return f"<Peer {self.host}({self.ip}:{self.port}) weight {self.weight}>"

    def name_as(self, host_header: str) -> None:
        """Set the Host header, plain and over TLS, and the TLS server name, from ``name[:port]``."""
        name, port = split_port(host_header)
        self.host_header = host_header_value(name, port or self.port, default_port=80)
        self.host_header_tls = host_header_value(name, port or self.port, default_port=443)
        # RFC 6066 section 3: addresses are not permitted in the server name.
        self.server_name = None if is_ip(name) else name


def host_header_value(name: str, port: int, default_port: int) -> bytes:
    """Return ``name`` as a Host header; the port is left out where it is the scheme's own."""
    bracketed = f"[{name}]" if ":" in name else name
    return (bracketed if port == default_port else f"{bracketed}:{port}").encode("latin-1")


def split_port(text: str) -> tuple[str, int | None]:
    """Split ``host``, ``host:port``, ``[v6]``, ``[v6]:port`` or a bare IPv6 address."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return canonical_host(host), int(rest[1:]) if rest.startswith(":") else None
    host, colon, port = text.rpartition(":")
    if not colon or ":" in host:
        return canonical_host(text), None
    return host, int(port)


def canonical_host(host: str) -> str:
    """Return the shortest form of an IP address, and names as they are."""
    return ip_address(host).compressed if is_ip(host) else host


def is_ip(host: str) -> bool:
    """Return whether ``host`` is an IPv4 or IPv6 address rather than a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
