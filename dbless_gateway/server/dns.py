"""The ``dns_*`` settings as the resolver's options. Reads this machine's files, so it runs in the workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbless_gateway.runtime.resolver_options import DNS_PORT, ResolverOptions, system_options


def resolver_options(settings: Mapping[str, Any]) -> ResolverOptions:
    """Return the options that the settings mean on this machine."""
    return system_options(
        hosts_file=settings["dns_hostsfile"],
        nameservers=[_name_server(text) for text in settings["dns_resolver"]],
        order=tuple(word.upper() for word in settings["dns_order"]),
        valid_ttl_s=settings["dns_valid_ttl"],
        stale_ttl_s=settings["dns_stale_ttl"],
        not_found_ttl_s=settings["dns_not_found_ttl"],
        error_ttl_s=settings["dns_error_ttl"],
    )


def _name_server(text: str) -> tuple[str, int]:
    """Split ``ip``, ``ip:port``, ``[ip6]`` or ``[ip6]:port``."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, int(rest.removeprefix(":") or DNS_PORT)
    if text.count(":") > 1:
        return text, DNS_PORT
    host, _, port = text.partition(":")
    return host, int(port or DNS_PORT)
