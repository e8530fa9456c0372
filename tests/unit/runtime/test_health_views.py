"""Views of health in Kong's form, manual states, and how all of it reaches the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import uvloop

from dbless_gateway.config.entities import Upstream
from dbless_gateway.runtime.health import HealthRegistry
from dbless_gateway.runtime.health_views import HealthViews
from dbless_gateway.runtime.resolver import Resolver
from dbless_gateway.runtime.resolver_options import ResolverOptions
from dbless_gateway.runtime.upstreams import Upstreams
from tests.support.dns_server import DnsServer, dns_server
from tests.support.local_bus import LocalBus
from tests.support.upstream_entities import healthchecks, target, upstream


class Node:
    """The supervisor's side and one worker."""

    def __init__(self, resolver: Resolver) -> None:
        bus = LocalBus()
        self.resolver = resolver
        self.registry = HealthRegistry(bus.end())
        self._upstreams = Upstreams(resolver)
        self.health = HealthViews(self._upstreams, self.registry)
        self.worker = Upstreams(resolver, bus.end())
        self._bus = bus

    def adopt(self, upstreams: list[Upstream], targets: list[Any]) -> None:
        """Take over a configuration on both sides."""
        self.worker.adopt(upstreams, targets, [])
        self._upstreams.adopt(upstreams, targets, [])
        self._upstreams.sweep()
        self.registry.adopt(upstreams)

    def late_worker(self) -> Upstreams:
        """Return a worker that starts now."""
        return Upstreams(self.resolver, self._bus.end())


def play(scenario: Callable[[Node, DnsServer], Awaitable[None]]) -> None:
    """Run a scenario."""

    async def main() -> None:
        async with dns_server() as server:
            resolver = Resolver(ResolverOptions(nameservers=(server.address,), timeout_s=1))
            node = Node(resolver)
            try:
                await asyncio.wait_for(scenario(node, server), 10)
            finally:
                await resolver.close()

    uvloop.run(main())


def checked() -> Upstream:
    """Return an upstream with passive checks."""
    checks = healthchecks(
        passive_unhealthy={"tcp_failures": 1, "http_failures": 2}, passive_healthy={"successes": 1}
    )
    return upstream(healthchecks=checks)


ONE, TWO = target("10.0.0.1:80"), target("10.0.0.2:80", 300)


def test_addresses_one_by_one() -> None:
    async def scenario(node: Node, server: DnsServer) -> None:
        out, gone = target("10.0.0.3:80", 0), target("gone.test:80")
        node.adopt([checked()], [ONE, TWO, out, gone])
        node.health.set_health(checked(), TWO, None, is_healthy=False)
        assert sorted(node.health.addresses(checked().id)) == [
            ("10.0.0.1:80", "10.0.0.1:80", "HEALTHY"),
            ("10.0.0.2:80", "10.0.0.2:80", "UNHEALTHY"),
            ("10.0.0.3:80", "10.0.0.3:80", "HEALTHCHECKS_OFF"),
            ("gone.test:80", "", "DNS_ERROR"),
        ]

    play(scenario)


def test_views_of_two_addresses() -> None:
    async def scenario(node: Node, server: DnsServer) -> None:
        node.adopt([checked()], [ONE, TWO])
        assert node.health.set_health(checked(), TWO, None, is_healthy=False) is None
        assert node.health.target_health(replace(TWO, tags=("a",))) == {
            "id": "10.0.0.2:80",
            "target": "10.0.0.2:80",
            "weight": 300,
            "tags": ["a"],
            "created_at": 0,
            "updated_at": 0,
            "upstream": {"id": "u"},
            "health": "UNHEALTHY",
            "data": {
                "host": "10.0.0.2",
                "port": 80,
                "dns": "A",
                "nodeWeight": 300,
                "weight": {"total": 300, "unavailable": 300, "available": 0},
                "addresses": [{"ip": "10.0.0.2", "port": 80, "weight": 300, "health": "UNHEALTHY"}],
            },
        }
        view = node.health.balancer_health(checked())
        assert (view["health"], view["balancer_health"], view["id"]) == ("HEALTHY", "HEALTHY", "u")
        assert view["details"]["weight"] == {"total": 400, "unavailable": 300, "available": 100}
        assert [host["addresses"][0]["healthy"] for host in view["details"]["hosts"]] == [True, False]

    play(scenario)


def test_health_words() -> None:
    async def scenario(node: Node, server: DnsServer) -> None:
        server.zone["a.test", "A"] = ["10.0.0.7", "10.0.0.8"]
        named, unknown, off = target("a.test:81"), target("b.test:80"), target("10.0.0.9:80", 0)
        node.adopt([checked()], [named, unknown, off, target("[::1]:80")])
        await asyncio.gather(server.question(), server.question())
        data = node.health.target_health(unknown)["data"]
        while data["dns"] == "unknown":  # No event tells.
            data = node.health.target_health(unknown)["data"]
            await asyncio.sleep(0.001)
        views = [node.health.target_health(one) for one in (named, unknown, off)]
        assert [view["health"] for view in views] == ["HEALTHY", "DNS_ERROR", "HEALTHCHECKS_OFF"]
        assert [view["data"]["dns"] for view in views] == ["A", "dns server error: 3 name error", "A"]
        assert node.health.target_health(target("[::1]:80"))["data"]["dns"] == "AAAA"
        assert node.health.set_health(checked(), named, "10.0.0.8:81", is_healthy=False) is None
        health = {one["ip"]: one["health"] for one in node.health.target_health(named)["data"]["addresses"]}
        assert health == {"10.0.0.7": "HEALTHY", "10.0.0.8": "UNHEALTHY"}
        assert node.health.overview(checked()) == {
            "name": "u",
            "health": "HEALTHY",
            "targets": {
                "a.test:81": "HEALTHY",
                "b.test:80": "DNS_ERROR",
                "10.0.0.9:80": "HEALTHCHECKS_OFF",
                "[::1]:80": "HEALTHY",
            },
        }

    play(scenario)


def test_checks_off() -> None:
    async def scenario(node: Node, server: DnsServer) -> None:
        node.adopt([upstream()], [ONE])
        assert node.health.target_health(ONE)["health"] == "HEALTHCHECKS_OFF"
        assert node.health.balancer_health(upstream())["health"] == "HEALTHCHECKS_OFF"
        assert node.health.balancer_health(upstream())["balancer_health"] == "HEALTHY"
        assert (
            node.health.set_health(upstream(), ONE, None, is_healthy=False) == "no healthchecker found for u"
        )

    play(scenario)


def test_an_upstream_without_targets_is_unhealthy() -> None:
    async def scenario(node: Node, server: DnsServer) -> None:
        node.adopt([checked()], [])
        assert node.health.balancer_health(checked())["balancer_health"] == "UNHEALTHY"

    play(scenario)


def test_what_one_worker_finds_reaches_all() -> None:
    async def scenario(node: Node, server: DnsServer) -> None:
        node.adopt([checked()], [ONE, TWO])
        other = node.late_worker()
        other.adopt([checked()], [ONE, TWO], [])
        balancer = node.worker.for_upstream("u")
        peer = balancer.peers[0]
        balancer.report_status(peer, 500)
        balancer.report_status(peer, 200)
        balancer.report_status(peer, 200)
        balancer.report_timeout(peer)
        assert [event["reason"] for event in node.health.timelines(ONE)["10.0.0.1:80"]] == [
            "status 500: http_failures 1 of 2",
            "status 200: successes 1 of 1",
        ]
        balancer.report_tcp_failure(peer)
        balancer.report_tcp_failure(peer)
        for upstreams in (node.worker, other):
            picked = {upstreams.for_upstream("u").pick(b"", ()) for _ in range(4)}
            assert {one.ip for one in picked if one} == {"10.0.0.2"}
        late = node.late_worker()
        late.adopt([checked()], [ONE, TWO], [])
        assert [one.available for one in late.for_upstream("u").peers] == [False, True]
        node.health.set_health(checked(), ONE, "10.0.0.1:80", is_healthy=True)
        assert [one.available for one in late.for_upstream("u").peers] == [True, True]

    play(scenario)


def test_a_target_taken_out_and_put_back_keeps_its_state() -> None:
    async def scenario(node: Node, server: DnsServer) -> None:
        node.adopt([checked()], [ONE, TWO])
        node.worker.for_upstream("u").report_tcp_failure(node.worker.for_upstream("u").peers[0])
        node.adopt([checked()], [TWO])
        node.registry.sweep([])
        node.adopt([checked()], [ONE, TWO])
        assert node.health.target_health(ONE)["health"] == "UNHEALTHY"
        assert [one.available for one in node.worker.for_upstream("u").peers] == [False, True]

    play(scenario)
