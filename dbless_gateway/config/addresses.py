"""Host names, IP addresses and ports as Kong's schemas see them.

One small grammar serves every field that holds an address. No DNS: whether a name exists is not a question of
the file.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

MAX_PORT = 65535
# What Kong appends to a target without a port.
DEFAULT_TARGET_PORT = 8000

_NAME = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)
_DOTTED_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+){3}")


class Address(NamedTuple):
    """``host`` is a name or an IP address without brackets; ``port`` is None when there is none."""

    host: str
    port: int | None
    is_ip: bool


def split_address(text: str) -> Address | None:
    """Split ``host``, ``host:port``, an IPv6 address or ``[IPv6]:port``; None when it is none of these."""
    host, port_text = text, ""
    if text.startswith("["):
        host, bracket, port_text = text[1:].partition("]")
        if not bracket or parse_ip(host, version=6) is None or (port_text and port_text[0] != ":"):
            return None
        port_text = port_text[1:] if port_text else ""
        if text.endswith(":"):
            return None
    elif text.count(":") == 1:
        host, _, port_text = text.partition(":")
        if not port_text:
            return None
    elif ":" in text:
        return Address(text, None, True) if parse_ip(text, version=6) else None
    port = parse_port(port_text) if port_text else None
    if port_text and port is None:
        return None
    if parse_ip(host) is not None:
        return Address(host, port, True)
    return Address(host, port, False) if is_host_name(host) else None


def is_host_name(text: str) -> bool:
    """Tell whether this is a host name; four dotted numbers that are no IPv4 address are not."""
    return _NAME.fullmatch(text) is not None and not (
        _DOTTED_NUMBER.fullmatch(text) and parse_ip(text) is None
    )


def parse_ip(text: str, version: int | None = None) -> IPv4Address | IPv6Address | None:
    """Return the IP address, or None."""
    if not text or not (text[0].isdigit() or ":" in text) or "%" in text or not text.isascii():
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address if version in {None, address.version} else None


def is_ip_or_cidr(text: str) -> bool:
    """Tell whether this is an address or a range; host bits below the mask are allowed."""
    if "%" in text or not text.isascii() or text != text.strip():
        return False
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    prefix = text.partition("/")[2]
    return "/" not in text or prefix.isdigit()


def parse_port(text: str) -> int | None:
    """Return the port, or None when this is not a number from 0 to 65535."""
    if not text.isascii() or not text.isdigit() or len(text) > 5:
        return None
    port = int(text)
    return port if port <= MAX_PORT else None


def normalize_target(text: str) -> str:
    """Return ``host:port`` with the default port filled in and IPv6 written out in brackets."""
    address = split_address(text)
    if address is None:
        return text
    port = DEFAULT_TARGET_PORT if address.port is None else address.port
    ip = parse_ip(address.host, version=6)
    return f"{address.host if ip is None else f'[{ip.exploded}]'}:{port}"
