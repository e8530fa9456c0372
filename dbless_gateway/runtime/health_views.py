"""The health of upstreams and targets as the Admin API shows it, and setting it by hand.

A view over the node's one registry and the addresses that the node's own resolution gives; all answers are
plain values in the form of Kong's Admin API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dbless_gateway.config.entities import Target, Upstream
from dbless_gateway.runtime.health import HealthRegistry
from dbless_gateway.runtime.health_messages import Address
from dbless_gateway.runtime.lineup import Member, Placement
from dbless_gateway.runtime.peer import split_port
from dbless_gateway.runtime.upstreams import Upstreams

_DEFAULT_PORT = 8000

OFF, HEALTHY, UNHEALTHY, DNS_ERROR = "HEALTHCHECKS_OFF", "HEALTHY", "UNHEALTHY", "DNS_ERROR"

# From an upstream's id, an address and its weight to the member of the view that tells its health.
_AddressHealth = Callable[[str, Address, int], dict[str, Any]]


class HealthViews:
    """See the module."""

    def __init__(self, upstreams: Upstreams, registry: HealthRegistry) -> None:
        self._upstreams = upstreams
        self._registry = registry

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

    def balancer_health(self, upstream: Upstream) -> dict[str, Any]:
        """Return ``data`` of ``GET /upstreams/{upstream}/health?balancer_health=1``."""
        upstream_id = upstream.id
        members = self._upstreams.for_upstream(upstream_id).members
        total, available = self._weights(
            upstream_id, [place for member in members for place in member.placements]
        )
        threshold = upstream.healthchecks.threshold
        is_healthy = total > 0 and available / total * 100 > threshold
        word = HEALTHY if is_healthy else UNHEALTHY
        return {
            "id": upstream_id,
            "health": word if self._registry.is_on(upstream_id) else OFF,
            "balancer_health": word,
            "details": {
                "healthy": is_healthy,
                "weight": _weight_view(total, available),
                "hosts": [self._host_view(upstream_id, member, self._is_healthy) for member in members],
            },
        }

    def overview(self, upstream: Upstream) -> dict[str, Any]:
        """Return one entry of ``upstreams`` in ``GET /status?upstreams=1``: its word and its targets'."""
        members = self._upstreams.for_upstream(upstream.id).members
        return {
            "name": upstream.name,
            "health": self.balancer_health(upstream)["health"],
            "targets": {member.spec.target: self._health_of(upstream.id, member) for member in members},
        }

    def addresses(self, upstream_id: str) -> Iterator[tuple[str, str, str]]:
        """Yield target, ``ip:port`` and health of each address; one without an address if there is none."""
        for member in self._upstreams.for_upstream(upstream_id).members:
            if not member.placements:
                yield member.spec.target, "", DNS_ERROR
            for peer, weight, _ in member.placements:
                health = self._health_word(upstream_id, peer.checked_address, weight)["health"]
                yield member.spec.target, f"{peer.ip}:{peer.port}", health

    def timelines(self, target: Target) -> dict[str, list[dict[str, Any]]]:
        """Return what happened to each address of a target, by ``ip:port``."""
        member = self._member(target)
        addresses = _addresses(member) if member else []
        return {f"{a.ip}:{a.port}": self._registry.timeline(target.upstream, a) for a in addresses}

    def set_health(
        self, upstream: Upstream, target: Target, address: str | None, *, is_healthy: bool
    ) -> str | None:
        """Set a target (or one ``ip:port`` of it) healthy or not by hand; return why that is impossible.

        An address that is not there is no error, as in Kong.
        """
        member = self._member(target)
        addresses = _addresses(member) if member else []
        if address is not None:
            ip, port = split_port(address)
            addresses = [a for a in addresses if (a.ip, a.port) == (ip, port or _DEFAULT_PORT)]
        if not self._registry.set_state(upstream.id, addresses, is_healthy=is_healthy):
            return f"no healthchecker found for {upstream.name}"
        return None

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
        if not self._registry.is_on(upstream_id) or member.spec.weight == 0:
            return OFF
        if not member.placements:
            return DNS_ERROR
        is_up = any(self._registry.is_available(upstream_id, address) for address in _addresses(member))
        return HEALTHY if is_up else UNHEALTHY

    def _health_word(self, upstream_id: str, address: Address, weight: int) -> dict[str, Any]:
        if not self._registry.is_on(upstream_id) or weight == 0:
            return {"health": OFF}
        return {"health": HEALTHY if self._registry.is_available(upstream_id, address) else UNHEALTHY}

    def _is_healthy(self, upstream_id: str, address: Address, weight: int) -> dict[str, Any]:
        return {"healthy": self._registry.is_available(upstream_id, address)}

    def _weights(self, upstream_id: str, placements: Sequence[Placement]) -> tuple[int, int]:
        """Return the total weight and how much of it is available."""
        up = self._registry.is_available
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
