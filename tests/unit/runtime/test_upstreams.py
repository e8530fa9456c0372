"""Balancers by identity: what a reload changes, keeps and drops; names through a real DNS server."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import dns.rcode
import pytest
import uvloop

from dbless_gateway.balancing.health import HEALTHY, UNHEALTHY
from dbless_gateway.balancing.plan import run
from dbless_gateway.config.entities import Where
from dbless_gateway.runtime.health_messages import STATE_TOPIC, Address, StateChange
from dbless_gateway.runtime.resolver import Resolver
from dbless_gateway.runtime.resolver_options import ResolverOptions
from dbless_gateway.runtime.upstreams import DYNAMIC_HOSTS_MAX, Balancer, NoPeer, Upstreams
from tests.support.dns_server import DnsServer, dns_server
from tests.support.local_bus import LocalBus
from tests.support.upstream_entities import healthchecks, target, upstream


def unresolving() -> Upstreams:
    """Return upstreams for configurations without names."""
    return Upstreams(Resolver(ResolverOptions(nameservers=())))


def picked(balancer: Balancer, count: int = 8, key: bytes = b"") -> Counter[str]:
    """Return how often each target was picked."""
    peers = [balancer.pick(key, ()) for _ in range(count)]
    return Counter("none" if peer is None else f"{peer.ip}:{peer.port}" for peer in peers)


def is_picked(balancer: Balancer, expected: dict[str, int]) -> bool:
    """Return whether the picks are as expected."""
    return picked(balancer) == expected


Scenario = Callable[[DnsServer, Upstreams], Awaitable[None]]


def play(scenario: Scenario, **options: Any) -> None:
    """Run a scenario with a server and upstreams whose names it knows."""

    async def main() -> None:
        async with dns_server() as server:
            fields: dict[str, Any] = {"nameservers": (server.address,), "timeout_s": 30.0, "attempts": 1}
            resolver = Resolver(ResolverOptions(**(fields | options)))
            try:
                await asyncio.wait_for(scenario(server, Upstreams(resolver)), 60)
            finally:
                await resolver.close()

    uvloop.run(main())


async def settled(balancer: Balancer) -> None:
    """Wait until the first resolution has come to something."""
    while balancer.waiting is not None:
        await asyncio.shield(balancer.waiting)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something holds."""
    while not condition():  # noqa: ASYNC110  # There is no event for what a bystander can see.
        await asyncio.sleep(0.001)


def test_targets_share_by_weight_and_weight_zero_gets_nothing() -> None:
    upstreams = unresolving()
    upstreams.adopt(
        [upstream()], [target("10.0.0.1:80", 100), target("10.0.0.2:80", 300), target("10.0.0.3:80", 0)], []
    )
    balancer = upstreams.for_upstream("u")
    assert picked(balancer) == {"10.0.0.1:80": 2, "10.0.0.2:80": 6}
    assert len(balancer.peers) == 3


@pytest.mark.parametrize("targets", [[], [target("10.0.0.1:80", 0)]])
def test_an_upstream_without_usable_targets(targets: list[Any]) -> None:
    upstreams = unresolving()
    upstreams.adopt([upstream()], targets, [])
    balancer = upstreams.for_upstream("u")
    assert balancer.pick(b"", ()) is None
    assert balancer.waiting is None
    assert balancer.error is NoPeer.NO_AVAILABLE_PEER
    assert balancer.error_detail == "no target with a weight above zero"


def test_nothing_changes_before_activation_and_a_discarded_preparation_leaves_no_trace() -> None:
    upstreams = unresolving()
    upstreams.adopt([upstream()], [target("10.0.0.1:80")], [("10.0.0.9", 90)])
    for is_activated in (False, True):
        hosts = [("10.0.0.9", 90), ("10.0.0.8", 80)]
        run(
            upstreams.adopt_steps(
                [upstream(), upstream("v")], [target("10.0.0.2:80"), target("10.0.0.3:80", 1, "v")], hosts
            )
        )
        assert picked(upstreams.for_upstream("u")) == {"10.0.0.1:80": 8}
        if is_activated:
            upstreams.activate()
        else:
            upstreams.discard()
            upstreams.sweep()
            assert picked(upstreams.for_upstream("u")) == {"10.0.0.1:80": 8}
    assert picked(upstreams.for_upstream("u")) == {"10.0.0.2:80": 8}
    assert picked(upstreams.for_upstream("v")) == {"10.0.0.3:80": 8}
    assert picked(upstreams.for_host("10.0.0.8", 80)) == {"10.0.0.8:80": 8}


def test_a_reload_keeps_the_peers_that_still_exist() -> None:
    upstreams = unresolving()
    upstreams.adopt(
        [upstream(algorithm="least-connections")], [target("10.0.0.1:80"), target("10.0.0.2:80")], []
    )
    balancer = upstreams.for_upstream("u")
    before = {peer.ip: peer for peer in balancer.peers}
    balancer.began(before["10.0.0.1"])
    balancer.began(before["10.0.0.2"])
    upstreams.adopt(
        [upstream(algorithm="least-connections", host_header="other.test")],
        [target("10.0.0.3:80"), target("10.0.0.1:80", 50)],
        [],
    )
    upstreams.sweep()
    assert upstreams.for_upstream("u") is balancer
    after = {peer.ip: peer for peer in balancer.peers}
    assert after["10.0.0.1"] is before["10.0.0.1"]
    assert (after["10.0.0.1"].in_flight, after["10.0.0.1"].weight, after["10.0.0.1"].host_header) == (
        1,
        50,
        b"other.test",
    )
    # What is gone may still be in use.
    balancer.ended(before["10.0.0.2"], 0.1)
    balancer.report_status(before["10.0.0.2"], 200)
    assert before["10.0.0.2"].in_flight == 0


def test_an_unchanged_upstream_is_not_touched() -> None:
    upstreams = unresolving()
    configuration: Any = (
        [upstream(algorithm="consistent-hashing")],
        [target("10.0.0.1:80"), target("10.0.0.2:80")],
        [],
    )
    upstreams.adopt(*configuration)
    balancer = upstreams.for_upstream("u")
    members = balancer.members
    upstreams.adopt(configuration[0], list(reversed(configuration[1])), [])
    assert balancer.members is members


def test_the_round_robin_pointer_survives_a_reload() -> None:
    upstreams = unresolving()
    targets = [target(f"10.0.0.{number}:80") for number in range(5)]
    upstreams.adopt([upstream()], targets, [])
    balancer = upstreams.for_upstream("u")
    seen = picked(balancer, 3)
    upstreams.adopt([upstream(host_header="other.test")], targets, [])
    assert all(count == 1 for count in (seen + picked(balancer, 2)).values())


def test_sweep_drops_what_is_not_named() -> None:
    upstreams = unresolving()
    upstreams.adopt([upstream(), upstream("v")], [], [("10.0.0.1", 80)])
    named = upstreams.for_host("10.0.0.1", 80)
    upstreams.adopt([upstream("v")], [], [])
    assert upstreams.for_upstream("u") is not None
    upstreams.sweep()
    with pytest.raises(KeyError):
        upstreams.for_upstream("u")
    assert upstreams.for_host("10.0.0.1", 80) is not named


def test_hosts_that_nobody_named_are_bounded() -> None:
    upstreams = unresolving()
    first = upstreams.for_host("10.0.0.1", 1)
    for port in range(2, DYNAMIC_HOSTS_MAX + 1):
        upstreams.for_host("10.0.0.1", port)
    assert upstreams.for_host("10.0.0.1", 1) is first
    upstreams.for_host("10.0.0.1", DYNAMIC_HOSTS_MAX + 1)
    assert upstreams.for_host("10.0.0.1", 1) is first
    # A service that names the host later takes it over.
    upstreams.adopt([], [], [("10.0.0.1", 1)])
    assert upstreams.for_host("10.0.0.1", 1) is first


def test_find_prefers_the_upstream_of_that_name() -> None:
    upstreams = unresolving()
    upstreams.adopt([upstream("id-1", name="backend.test")], [target("10.0.0.1:80", 1, "id-1")], [])
    assert upstreams.find("backend.test", 999) is upstreams.for_upstream("id-1")
    assert picked(upstreams.find("10.0.0.7", 999)) == {"10.0.0.7:999": 8}


@pytest.mark.parametrize(
    ("host", "header"), [("10.0.0.1", b"10.0.0.1:8000"), ("::1", b"[::1]:8000"), ("[::1]", b"[::1]:8000")]
)
def test_addresses_as_hosts(host: str, header: bytes) -> None:
    peer = unresolving().for_host(host, 8000).pick(b"", ())
    assert peer is not None
    assert peer.host_header == header
    assert peer.address == (host.strip("[]"), 8000)


@pytest.mark.parametrize(
    ("threshold", "down", "is_healthy"),
    [
        (0, 3, True),
        (0, 4, False),
        (25, 2, True),
        (25, 3, False),
        (75, 0, True),
        (75, 1, False),
        (100, 0, False),
    ],
)
def test_threshold(threshold: float, down: int, is_healthy: bool) -> None:
    bus = LocalBus()
    registry = bus.end()
    upstreams = Upstreams(Resolver(ResolverOptions(nameservers=())), bus.end())
    checks = healthchecks(threshold=threshold, passive_unhealthy={"tcp_failures": 1})
    upstreams.adopt(
        [upstream(healthchecks=checks)], [target(f"10.0.0.{number}:80") for number in range(4)], []
    )
    balancer = upstreams.for_upstream("u")
    for peer in balancer.peers[:down]:
        registry.publish(STATE_TOPIC, StateChange("u", peer.checked_address, UNHEALTHY))
    assert is_healthy is (balancer.pick(b"", ()) is not None)
    for peer in balancer.peers[:down]:
        registry.publish(STATE_TOPIC, StateChange("u", peer.checked_address, HEALTHY))
    assert (balancer.pick(b"", ()) is not None) is (threshold < 100)


def test_names_resolve_and_wait() -> None:
    async def scenario(server: DnsServer, upstreams: Upstreams) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1", "10.0.0.2"]
        server.zone["b.test", "SRV"] = ["1 50 81 c.test."]
        server.zone["c.test", "A"] = ["10.0.0.3"]
        upstreams.adopt([upstream()], [target("a.test:80", 25), target("b.test:80", 7)], [])
        balancer = upstreams.for_upstream("u")
        assert balancer.pick(b"", ()) is None
        await settled(balancer)
        await until(lambda: len(balancer.peers) == 3)
        # A name's weight is each address's; an SRV record's is its own.
        await until(
            lambda: picked(balancer, 100) == {"10.0.0.1:80": 25, "10.0.0.2:80": 25, "10.0.0.3:81": 50}
        )
        headers = {peer.ip: peer.host_header for peer in balancer.peers}
        assert headers == {"10.0.0.1": b"a.test", "10.0.0.2": b"a.test", "10.0.0.3": b"b.test:81"}

    play(scenario)


def test_use_srv_name() -> None:
    async def scenario(server: DnsServer, upstreams: Upstreams) -> None:
        server.zone["b.test", "SRV"] = ["1 50 0 c.test.", "1 50 81 d.test."]
        server.zone["c.test", "A"] = server.zone["d.test", "A"] = ["10.0.0.3"]
        upstreams.adopt([upstream(use_srv_name=True)], [target("b.test:80")], [])
        balancer = upstreams.for_upstream("u")
        await settled(balancer)
        assert {peer.host_header for peer in balancer.peers} == {b"c.test", b"d.test:81"}

    play(scenario)


def test_a_changed_answer_leaves_other_peers_alone() -> None:
    async def scenario(server: DnsServer, upstreams: Upstreams) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1", "10.0.0.2"]
        upstreams.adopt(
            [upstream(algorithm="least-connections")], [target("a.test:80"), target("10.0.0.9:80")], []
        )
        balancer = upstreams.for_upstream("u")
        await until(lambda: len(balancer.peers) == 3)
        before = {peer.ip: peer for peer in balancer.peers}
        for peer in before.values():
            balancer.began(peer)
        server.zone["a.test", "A"] = ["10.0.0.2", "10.0.0.3"]
        await until(lambda: "10.0.0.3" in {peer.ip for peer in balancer.peers})
        await until(lambda: "10.0.0.3:80" in picked(balancer))
        after = {peer.ip: peer for peer in balancer.peers}
        assert after.keys() == {"10.0.0.2", "10.0.0.3", "10.0.0.9"}
        assert after["10.0.0.2"] is before["10.0.0.2"]
        assert after["10.0.0.9"].in_flight == 1
        balancer.ended(before["10.0.0.1"], 0.1)

    play(scenario, valid_ttl_s=0.02)


def test_a_name_that_vanishes_takes_its_peers_along_and_comes_back() -> None:
    async def scenario(server: DnsServer, upstreams: Upstreams) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1"]
        upstreams.adopt([upstream()], [target("a.test:80"), target("10.0.0.9:80")], [])
        balancer = upstreams.for_upstream("u")
        await until(lambda: len(picked(balancer)) == 2)
        records = server.zone.pop(("a.test", "A"))
        await until(lambda: picked(balancer) == {"10.0.0.9:80": 8})
        server.zone["a.test", "A"] = records
        await until(lambda: len(picked(balancer)) == 2)

    play(scenario, valid_ttl_s=0.02, not_found_ttl_s=0.02)


@pytest.mark.parametrize(
    ("rcode", "error"), [(dns.rcode.NOERROR, NoPeer.NAME_NOT_FOUND), (dns.rcode.SERVFAIL, NoPeer.DNS_FAILED)]
)
def test_hosts_that_do_not_resolve(rcode: dns.rcode.Rcode, error: NoPeer) -> None:
    async def scenario(server: DnsServer, upstreams: Upstreams) -> None:
        server.rcode = rcode
        upstreams.adopt([upstream()], [target("a.test:80")], [("a.test", 80)])
        host, ring = upstreams.for_host("a.test", 80), upstreams.for_upstream("u")
        await settled(host)
        await settled(ring)
        assert host.pick(b"", ()) is ring.pick(b"", ()) is None
        assert host.error is error
        assert host.error_detail.startswith("a.test: dns server error")
        assert ring.error is NoPeer.NO_AVAILABLE_PEER

    play(scenario)


def test_whoever_waits_for_a_name_that_is_dropped_is_released() -> None:
    async def scenario(server: DnsServer, upstreams: Upstreams) -> None:
        server.is_silent = True
        upstreams.adopt([], [], [("a.test", 80)])
        waiting = upstreams.for_host("a.test", 80).waiting
        assert waiting is not None
        upstreams.adopt([], [], [])
        upstreams.sweep()
        await waiting

    play(scenario)


def test_a_state_that_is_known_before_the_address() -> None:
    async def scenario(server: DnsServer, _: Upstreams) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1", "10.0.0.2"]
        bus = LocalBus()
        registry = bus.end()
        resolver = Resolver(ResolverOptions(nameservers=(server.address,)))
        upstreams = Upstreams(resolver, bus.end())
        checks = healthchecks(passive_unhealthy={"tcp_failures": 1})
        for ip, state in (("10.0.0.1", UNHEALTHY), ("10.0.0.2", UNHEALTHY), ("10.0.0.2", HEALTHY)):
            registry.publish(STATE_TOPIC, StateChange("u", Address("a.test", ip, 80), state))
        upstreams.adopt([upstream(healthchecks=checks)], [target("a.test:80")], [])
        balancer = upstreams.for_upstream("u")
        await settled(balancer)
        assert picked(balancer) == {"10.0.0.2:80": 8}
        await resolver.close()

    play(scenario)


@pytest.mark.slow
def test_two_thousand_upstreams_are_prepared_and_switched_in_many_slices() -> None:
    async def scenario(server: DnsServer, upstreams: Upstreams) -> None:
        names = [f"u{number}" for number in range(2000)]
        for last in ("1", "2"):
            targets = [target(f"10.0.0.{last}:80", 100, name) for name in names]
            steps = upstreams.adopt_steps([upstream(name) for name in names], targets, [("10.0.0.3", 80)])
            assert sum(1 for _ in steps) >= 500
            if last == "2":
                assert picked(upstreams.for_upstream("u7")) == {"10.0.0.1:80": 8}
            upstreams.activate()
            # In effect for everyone who asks, before all are switched over.
            for name in ("u1999", "u7"):
                assert picked(upstreams.for_upstream(name)) == {f"10.0.0.{last}:80": 8}
            assert picked(upstreams.find("u1998", 1)) == {f"10.0.0.{last}:80": 8}
            assert picked(upstreams.for_host("10.0.0.3", 80)) == {"10.0.0.3:80": 8}
            unasked = upstreams._by_id["u1500"]
            expected = {f"10.0.0.{last}:80": 8}
            await until(partial(is_picked, unasked, expected))

    play(scenario)


def test_what_a_reload_replaces_is_freed_without_the_collector() -> None:
    async def scenario(server: DnsServer, upstreams: Upstreams) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1"]
        gc.collect()
        gc.disable()
        before = Counter(type(item).__name__ for item in gc.get_objects())
        try:
            for number in range(4):
                configured = [upstream(host_header=f"h{number}.test"), upstream(f"only-{number}")]
                targets = [target("a.test:80"), target("a.test:80", 100, f"only-{number}")]
                upstreams.adopt(configured, targets, [(f"h{number}.test", 80)])
                await settled(upstreams.for_upstream("u"))
                await settled(upstreams.for_upstream(f"only-{number}"))
                upstreams.sweep()
            run(upstreams.adopt_steps([upstream(host_header="other.test")], [target("a.test:80")], []))
            upstreams.discard()
            kinds = Counter(type(item).__name__ for item in gc.get_objects())
            # Of the upstream that stays, the last one that came, and the last host.
            kinds.subtract(before)
            assert (kinds["Lineup"], kinds["Balancer"]) == (3, 3)
        finally:
            gc.enable()

    play(scenario)


def test_a_moved_line_is_no_change() -> None:
    upstreams = unresolving()
    before = upstream(algorithm="consistent-hashing", hash_on="ip")
    upstreams.adopt([before], [target("10.0.0.1:80")], [])
    key_of = upstreams.for_upstream("u").hash_key
    upstreams.adopt(
        [replace(before, where=Where("kong.yaml", 9, 1), updated_at=5)], [target("10.0.0.1:80")], []
    )
    assert upstreams.for_upstream("u").hash_key is key_of


def test_a_large_ring_is_rebuilt_between_other_events() -> None:
    async def scenario(server: DnsServer, upstreams: Upstreams) -> None:
        server.zone["a.test", "A"] = [f"10.0.{number // 200}.{number % 200}" for number in range(400)]
        upstreams.adopt(
            [upstream(algorithm="consistent-hashing")], [target("a.test:80"), target("10.9.9.9:80")], []
        )
        balancer = upstreams.for_upstream("u")
        assert picked(balancer) == {"10.9.9.9:80": 8}
        turns = 0
        while balancer.pick(b"", ()) is None or len(balancer.peers) == 1:
            turns += 1
            await asyncio.sleep(0)
        assert turns > 3

    play(scenario)
