"""How names are resolved: the ``dns_*`` settings together with what the system's files say.

Made once at start; reading ``resolv.conf`` and the hosts file happens here and nowhere else. Times are in
seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import dns.resolver

DNS_PORT = 53
# resolv.conf may be missing in a container that resolves nothing; a name then fails like on any dead server.
_LOCAL_SERVER = ("127.0.0.1", DNS_PORT)
LOCALHOST = {"localhost": ("127.0.0.1", "::1")}


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """Names of fields are those of the settings, without ``dns_``."""

    nameservers: tuple[tuple[str, int], ...]
    search: tuple[str, ...] = ()
    ndots: int = 1
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(LOCALHOST))
    order: tuple[str, ...] = ("LAST", "SRV", "A", "CNAME")
    valid_ttl_s: float | None = None  # in place of each record's own
    stale_ttl_s: float = 3600.0
    not_found_ttl_s: float = 30.0
    error_ttl_s: float = 1.0
    timeout_s: float = 2.0  # for one question to one server
    attempts: int = 2  # rounds over all servers


def system_options(
    resolv_conf: str = "/etc/resolv.conf",
    hosts_file: str = "/etc/hosts",
    nameservers: Iterable[tuple[str, int]] = (),
    **settings: object,
) -> ResolverOptions:
    """Return options from this machine's files; ``nameservers`` replace those of resolv.conf."""
    system = _read_resolv_conf(resolv_conf)
    found = tuple((str(server), DNS_PORT) for server in system.nameservers) or (_LOCAL_SERVER,)
    fields: dict[str, object] = {
        "nameservers": tuple(nameservers) or found,
        "search": tuple(name.to_text(omit_final_dot=True) for name in system.search),
        "ndots": 1 if system.ndots is None else system.ndots,
        "hosts": read_hosts_file(hosts_file),
        "timeout_s": system.timeout,
        **settings,
    }
    # Settings were checked where they were parsed.
    return ResolverOptions(**fields)  # type: ignore[arg-type]


def read_hosts_file(path: str) -> dict[str, tuple[str, ...]]:
    """Return name (lower case) -> addresses; ``localhost`` is there even without a file."""
    hosts: dict[str, tuple[str, ...]] = {}
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if _is_address(address):
            for name in names:
                key = name.lower()
                if address not in hosts.get(key, ()):
                    hosts[key] = (*hosts.get(key, ()), address)
    return LOCALHOST | hosts


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _read_resolv_conf(path: str) -> dns.resolver.BaseResolver:
    system = dns.resolver.BaseResolver(configure=False)
    try:
        system.read_resolv_conf(path)
    except (OSError, dns.resolver.NoResolverConfiguration):
        system.reset()
    return system
