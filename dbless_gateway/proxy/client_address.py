"""Who the client is when proxies stand in front: trusted peers and the real address.

Follows Kong: the headers of a peer in ``trusted_ips`` are believed, and the client's address is then taken
from ``real_ip_header``; anything unparsable leaves the address of the connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from dbless_gateway.http1.headers import Headers
from dbless_gateway.proxy.options import ProxyOptions

Network = IPv4Network | IPv6Network

# As ``real_ip_header``: the address is that of the PROXY protocol, which the connection knows; no header is
# read.
PROXY_PROTOCOL = "proxy_protocol"


def is_trusted(ip: str, networks: Sequence[Network]) -> bool:
    """Tell whether an address is in one of the networks; False for what is no address."""
    if not networks:
        return False
    address = _parse(ip)
    return address is not None and any(address in network for network in networks)


def real_ip(peer_ip: str, headers: Headers, options: ProxyOptions) -> str:
    """Return the client's address for a request of a trusted peer."""
    if options.real_ip_header == PROXY_PROTOCOL:
        return peer_ip
    values = headers.get_all(options.real_ip_header.encode("latin-1"))
    if not values:
        return peer_ip
    addresses = [item.strip() for item in b",".join(values).decode("latin-1").split(",")]
    if options.real_ip_recursive and options.real_ip_header.lower() == "x-forwarded-for":
        return _first_untrusted(addresses, options.trusted_ips) or peer_ip
    return _address_of(addresses[-1]) or peer_ip


def _first_untrusted(addresses: list[str], networks: Sequence[Network]) -> str | None:
    """Walk from the right and skip trusted addresses; the left-most when all are."""
    found: str | None = None
    for item in reversed(addresses):
        address = _address_of(item)
        if address is None:
            break
        found = address
        if not is_trusted(address, networks):
            break
    return found


def _address_of(text: str) -> str | None:
    """Return the address in ``ip``, ``ip:port``, ``v6`` or ``[v6]:port``."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return text if _parse(text) is not None else None


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
