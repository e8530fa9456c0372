"""ip-restriction: allow or deny requests by the client's address.

Kong's behaviour this follows: https://developer.konghq.com/plugins/ip-restriction/ (3.9).
Differences: HTTP only, as long as there is no stream proxy.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.reply import Reply

NAME = "ip-restriction"
PRIORITY = 990

# Verdicts remembered per instance: parsing an address costs more than looking it up.
_REMEMBERED_VERDICTS = 4096


@dataclass(frozen=True, slots=True)
class Config:
    allow: tuple[str, ...] | None
    deny: tuple[str, ...] | None
    status: float | None
    message: str | None


class Handler:
    """Denied ranges win over allowed ones."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._allowed = _Ranges("allow", config.allow or ())
        self._denied = _Ranges("deny", config.deny or ())
        self._status = int(config.status or 403)
        self._message = config.message
        self._log = env.log
        self._verdicts: dict[str, bool] = {}

    def access(self, ctx: Context) -> Reply | None:
        """Refuse clients that are denied or not allowed."""
        address = ctx.client_ip
        verdict = self._verdicts.get(address)
        if verdict is None:
            if address.startswith("unix:"):
                message = "Cannot identify the client IP address, unix domain sockets are not supported."
                return refuse(ctx, 403, message)
            if len(self._verdicts) >= _REMEMBERED_VERDICTS:
                self._verdicts.clear()
            verdict = self._verdicts[address] = self._judge(address)
        if verdict:
            return None
        self._log.warning("IP address not allowed: %s", address)
        return refuse(ctx, self._status, self._message or f"IP address not allowed: {address}")

    def _judge(self, address: str) -> bool:
        if self._denied.contains(address):
            return False
        return self._allowed.is_empty or self._allowed.contains(address)


class _Ranges:
    """Networks by version and prefix length: one look-up per length, however many ranges there are."""

    def __init__(self, field: str, texts: Iterable[str]) -> None:
        self._by_mask: dict[tuple[int, int], set[int]] = {}
        for position, text in enumerate(texts):
            network = _parse(f"{field}[{position}]", text)
            mask = int(network.netmask)
            self._by_mask.setdefault((network.version, mask), set()).add(int(network.network_address))
        self.is_empty = not self._by_mask

    def contains(self, text: str) -> bool:
        address = ip_address(text.partition("%")[0])
        number, version = int(address), address.version
        return any(
            wanted == version and number & mask in networks
            for (wanted, mask), networks in self._by_mask.items()
        )


def _parse(field: str, text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(field, f"invalid ip or cidr range: '{text}'") from None
