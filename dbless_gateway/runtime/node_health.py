"""The health of a node in one piece, for the supervisor: addresses, registry, prober, and views of them.

It resolves names for itself, because probes must not depend on any worker being alive. All answers are plain
values in the form of Kong's Admin API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dbless_gateway.config.entities import Target, Upstream
from dbless_gateway.runtime.bus import Bus
from dbless_gateway.runtime.health import HealthRegistry
from dbless_gateway.runtime.health_messages import Address
from dbless_gateway.runtime.lineup import Member, Names, Placement
from dbless_gateway.runtime.peer import split_port
from dbless_gateway.runtime.prober import Prober
from dbless_gateway.runtime.upstreams import Upstreams

# States of addresses are kept for minutes; looking once a minute which are still there is often enough.
_SWEEP_INTERVAL_S = 60.0
_DEFAULT_PORT = 8000

OFF, HEALTHY, UNHEALTHY, DNS_ERROR = "HEALTHCHECKS_OFF", "HEALTHY", "UNHEALTHY", "DNS_ERROR"


# From an upstream's id, an address and its weight to the member of the view that tells its health.
_AddressHealth = Callable[[str, Address, int], dict[str, Any]]


class NodeHealth:
    """See the module."""

    def __init__(self, names: Names, bus: Bus, ca_file: str | None = None) -> None:
        self._upstreams = Upstreams(names)
        self.registry = HealthRegistry(bus)
        self._prober = Prober(self._upstreams, self.registry, ca_file)
        self._configured: dict[str, Upstream] = {}
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep_forever())

    def adopt(self, upstreams: Sequence[Upstream], targets: Sequence[Target]) -> None:
        """Take over the configuration that the workers serve now."""
        self._configured = {upstream.id: upstream for upstream in upstreams}
        # Nobody picks here, so no ring is built.
        plain = [replace(upstream, algorithm="round-robin") for upstream in upstreams]
        self._upstreams.adopt(plain, targets, ())
        self._upstreams.sweep()
        self.registry.adopt(upstreams)
        self._prober.adopt(upstreams)

    async def close(self) -> None:
        """Stop probing and resolving."""
        self._sweeper.cancel()
        await asyncio.gather(self._sweeper, return_exceptions=True)
        await self._prober.close()
        self._upstreams.adopt((), (), ())
        self._upstreams.sweep()

    def target_health(self, target: Target) -> dict[str, Any]:
        """Return one entry of ``GET /upstreams/{upstream}/health``."""
        member = self._member(target)
        return {
            "id": target.id,
            "target": target.target,
            "weight": target.weight,
            "tags": None if target.tags is None else list(target.tags),
            "created_at": target.created_at,
            "updated_at": target.updated_at,
            "upstream": {"id": target.upstream},
            "health": self._health_of(target.upstream, member) if member else DNS_ERROR,
            "data": self._host_view(target.upstream, member, self._health_word) if member else {},
        }

    def balancer_health(self, upstream_id: str) -> dict[str, Any]:
        """Return ``data`` of ``GET /upstreams/{upstream}/health?balancer_health=1``."""
        members = self._upstreams.for_upstream(upstream_id).members
        total, available = self._weights(
            upstream_id, [place for member in members for place in member.placements]
        )
        threshold = self._configured[upstream_id].healthchecks.threshold
        is_healthy = total > 0 and available / total * 100 > threshold
        word = HEALTHY if is_healthy else UNHEALTHY
        return {
            "id": upstream_id,
            "health": word if self.registry.is_on(upstream_id) else OFF,
            "balancer_health": word,
            "details": {
                "healthy": is_healthy,
                "weight": _weight_view(total, available),
                "hosts": [self._host_view(upstream_id, member, self._is_healthy) for member in members],
            },
        }

    def timelines(self, target: Target) -> dict[str, list[dict[str, Any]]]:
        """Return what happened to each address of a target, by ``ip:port``."""
        member = self._member(target)
        addresses = _addresses(member) if member else []
        return {f"{a.ip}:{a.port}": self.registry.timeline(target.upstream, a) for a in addresses}

    def set_health(self, target: Target, address: str | None, *, is_healthy: bool) -> str | None:
        """Set a target (or one ``ip:port`` of it) healthy or not by hand; return why that is impossible."""
        upstream = self._configured.get(target.upstream)
        if upstream is None:
            return f"Upstream {target.upstream} has no balancer"
        member = self._member(target)
        addresses = _addresses(member) if member else []
        if address is not None:
            ip, port = split_port(address)
            addresses = [a for a in addresses if (a.ip, a.port) == (ip, port or _DEFAULT_PORT)]
        if not self.registry.set_state(upstream.id, addresses, is_healthy=is_healthy):
            return f"no healthchecker found for {upstream.name}"
        return None

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL_S)
            self.sweep()

    def sweep(self) -> None:
        """Let the registry forget addresses that have been gone for long."""
        self.registry.sweep(
            (upstream_id, peer.checked_address)
            for upstream_id in self._configured
            for peer in self._upstreams.for_upstream(upstream_id).peers
        )

    def _member(self, target: Target) -> Member | None:
        members = self._upstreams.for_upstream(target.upstream).members
        return next((member for member in members if member.spec.target == target.target), None)

    def _host_view(self, upstream_id: str, member: Member, health: _AddressHealth) -> dict[str, Any]:
        total, available = self._weights(upstream_id, member.placements)
        return {
            "host": member.spec.host,
            "port": member.spec.port,
            "dns": _dns_view(member),
            "nodeWeight": member.spec.weight,
            "weight": _weight_view(total, available),
            "addresses": [
                {"ip": peer.ip, "port": peer.port, "weight": weight}
                | health(upstream_id, peer.checked_address, weight)
                for peer, weight, _ in member.placements
            ],
        }

    def _health_of(self, upstream_id: str, member: Member) -> str:
        if not self.registry.is_on(upstream_id) or member.spec.weight == 0:
            return OFF
        if not member.placements:
            return DNS_ERROR
        is_up = any(self.registry.is_available(upstream_id, address) for address in _addresses(member))
        return HEALTHY if is_up else UNHEALTHY

    def _health_word(self, upstream_id: str, address: Address, weight: int) -> dict[str, Any]:
        if not self.registry.is_on(upstream_id) or weight == 0:
            return {"health": OFF}
        return {"health": HEALTHY if self.registry.is_available(upstream_id, address) else UNHEALTHY}

    def _is_healthy(self, upstream_id: str, address: Address, weight: int) -> dict[str, Any]:
        return {"healthy": self.registry.is_available(upstream_id, address)}

    def _weights(self, upstream_id: str, placements: Sequence[Placement]) -> tuple[int, int]:
        """Return the total weight and how much of it is available."""
        up = self.registry.is_available
        available = sum(weight for peer, weight, _ in placements if up(upstream_id, peer.checked_address))
        return sum(weight for _, weight, _ in placements), available


def _addresses(member: Member) -> list[Address]:
    return [placement.peer.checked_address for placement in member.placements]


def _weight_view(total: int, available: int) -> dict[str, int]:
    return {"total": total, "unavailable": total - available, "available": available}


def _dns_view(member: Member) -> str:
    if member.watch is None:
        return "AAAA" if ":" in member.spec.host else "A"
    answer = member.answer
    if answer is None:
        return "unknown"
    return answer.error or answer.kind
