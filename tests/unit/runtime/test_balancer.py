"""What a balancer makes of reports, states and trials, together with the registry behind the bus."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from dbless_gateway.balancing.health import HEALTHY, UNHEALTHY
from dbless_gateway.config.entities import Resilience, Upstream
from dbless_gateway.runtime import balancer as balancer_module
from dbless_gateway.runtime.health import HealthRegistry
from dbless_gateway.runtime.health_messages import REPORT_TOPIC, STATE_TOPIC, SYNC, StateChange
from dbless_gateway.runtime.peer import Peer
from dbless_gateway.runtime.resolver import Resolver
from dbless_gateway.runtime.resolver_options import ResolverOptions
from dbless_gateway.runtime.upstreams import Balancer, Upstreams
from tests.support.local_bus import LocalBus
from tests.support.upstream_entities import healthchecks, target, upstream

TARGETS = [target("10.0.0.1:80"), target("10.0.0.2:80")]


class Node:
    """A registry and two workers; counts what is sent to the registry."""

    def __init__(self, configured: Upstream, targets: list[Any]) -> None:
        bus = LocalBus()
        self.registry = HealthRegistry(bus.end())
        self.registry.adopt([configured])
        self.sent: list[Any] = []
        bus.end().subscribe(REPORT_TOPIC, self.sent.append)
        self.workers = [Upstreams(Resolver(ResolverOptions(nameservers=())), bus.end()) for _ in range(2)]
        for worker in self.workers:
            worker.adopt([configured], targets, [])
        self.sent.clear()

    @property
    def balancer(self) -> Balancer:
        """The first worker's."""
        return self.workers[0].for_upstream("u")

    @property
    def other(self) -> Balancer:
        """The second worker's."""
        return self.workers[1].for_upstream("u")

    def state(self, peer: Peer) -> str:
        """The registry's word."""
        return self.registry.state("u", peer.checked_address)


def node(resilience: Resilience | None = None, targets: list[Any] | None = None, **checks: Any) -> Node:
    """Return a node whose passive checks eject at the second failure."""
    fields: dict[str, Any] = {"passive_unhealthy": {"http_failures": 2, "tcp_failures": 2, "timeouts": 2}}
    configured = upstream(healthchecks=healthchecks(**(fields | checks)), x_resilience=resilience)
    return Node(configured, targets or TARGETS)


def picked(balancer: Balancer, count: int = 20) -> Counter[str]:
    """Return how often each address is picked."""
    peers = [balancer.pick(b"", ()) for _ in range(count)]
    return Counter(peer.ip for peer in peers if peer is not None)


@pytest.mark.parametrize("kind", ["status", "tcp", "timeout", "gateway timeout"])
def test_failures_eject_on_every_worker(kind: str) -> None:
    here = node()
    peer = here.balancer.peers[0]
    for _ in range(2):
        if kind == "status":
            here.balancer.report_status(peer, 500)
        elif kind == "tcp":
            here.balancer.report_tcp_failure(peer)
        elif kind == "timeout":
            here.balancer.report_timeout(peer)
        else:
            here.balancer.report_status(peer, 504)
    assert here.state(peer) == UNHEALTHY
    assert picked(here.balancer) == picked(here.other) == {"10.0.0.2": 20}


def test_success_is_sent_only_when_it_can_change_something() -> None:
    here = node(passive_healthy={"successes": 1})
    peer = here.balancer.peers[0]
    here.balancer.report_status(peer, 200)
    assert here.sent == []
    here.balancer.report_status(peer, 500)
    here.balancer.report_status(peer, 200)
    here.balancer.report_status(peer, 200)
    assert [report.status for report in here.sent] == [500, 200]
    assert here.state(peer) == HEALTHY


def test_nothing_is_sent_without_limits() -> None:
    here = node(passive_unhealthy={"tcp_failures": 9})
    peer = here.balancer.peers[0]
    for status in (200, 500, 503, 504):
        here.balancer.report_status(peer, status)
    here.balancer.report_timeout(peer)
    assert here.sent == []
    here.balancer.report_tcp_failure(peer)
    assert len(here.sent) == 1


def test_nothing_is_sent_about_what_is_unhealthy_already() -> None:
    here = node()
    peer = here.balancer.peers[0]
    here.registry.set_state("u", [peer.checked_address], is_healthy=False)
    here.balancer.report_tcp_failure(peer)
    assert here.sent == []


def test_a_worker_without_a_bus_sends_nothing() -> None:
    upstreams = Upstreams(Resolver(ResolverOptions(nameservers=())))
    checks = healthchecks(passive_unhealthy={"tcp_failures": 1})
    upstreams.adopt([upstream(healthchecks=checks)], TARGETS, [])
    balancer = upstreams.for_upstream("u")
    balancer.report_tcp_failure(balancer.peers[0])
    assert picked(balancer) == {"10.0.0.1": 10, "10.0.0.2": 10}


class Unheard:
    """A worker whose reports nobody answers unless the test does."""

    def __init__(self, **checks: Any) -> None:
        fields: dict[str, Any] = {"passive_unhealthy": {"http_failures": 2, "tcp_failures": 2}}
        bus = LocalBus()
        self.registry = bus.end()
        worker = Upstreams(Resolver(ResolverOptions(nameservers=())), bus.end())
        worker.adopt([upstream(healthchecks=healthchecks(**(fields | checks)))], TARGETS, [])
        self.balancer = worker.for_upstream("u")
        self.peer = self.balancer.peers[0]

    def hear(self, state: str) -> None:
        self.registry.publish(STATE_TOPIC, StateChange("u", self.peer.checked_address, state))


def test_a_worker_does_not_wait_for_the_registry() -> None:
    """On a busy machine its word takes long enough for a hundred requests to fail."""

    async def scenario() -> None:
        here = Unheard()
        here.balancer.report_status(here.peer, 500)
        assert picked(here.balancer) == {"10.0.0.1": 10, "10.0.0.2": 10}
        here.balancer.report_status(here.peer, 500)
        assert picked(here.balancer) == {"10.0.0.2": 20}
        # The word on the first report comes late, and changes nothing.
        here.hear("mostly_healthy")
        assert picked(here.balancer) == {"10.0.0.2": 20}
        here.hear("unhealthy")
        assert picked(here.balancer) == {"10.0.0.2": 20}
        here.hear("healthy")
        assert picked(here.balancer) == {"10.0.0.1": 10, "10.0.0.2": 10}
        here.balancer.report_status(here.peer, 500)
        assert picked(here.balancer) == {"10.0.0.1": 10, "10.0.0.2": 10}

    play(scenario)


def test_a_peer_that_the_registry_does_not_judge_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe in between may have cleared what the registry had counted."""
    monkeypatch.setattr(balancer_module, "SUSPICION_S", 0.02)

    async def scenario() -> None:
        here = Unheard()
        here.balancer.report_tcp_failure(here.peer)
        here.balancer.report_tcp_failure(here.peer)
        assert picked(here.balancer) == {"10.0.0.2": 20}
        await until(lambda: here.peer.available)
        assert picked(here.balancer) == {"10.0.0.1": 10, "10.0.0.2": 10}

    play(scenario)


def test_failures_of_other_kinds_or_before_a_success_do_not_add_up() -> None:
    here = Unheard(passive_healthy={"successes": 1})
    here.balancer.report_status(here.peer, 500)
    here.balancer.report_tcp_failure(here.peer)
    here.balancer.report_status(here.peer, 200)
    here.balancer.report_status(here.peer, 500)
    assert picked(here.balancer) == {"10.0.0.1": 10, "10.0.0.2": 10}


def test_hosts_take_reports_and_do_nothing() -> None:
    here = node()
    host = here.workers[0].for_host("10.0.0.9", 80)
    peer = host.pick(b"", ())
    assert peer is not None
    host.report_status(peer, 500)
    host.report_tcp_failure(peer)
    host.report_timeout(peer)
    assert here.sent == []


def test_a_worker_asks_for_states_when_it_starts() -> None:
    bus = LocalBus()
    sent: list[Any] = []
    bus.end().subscribe(REPORT_TOPIC, sent.append)
    Upstreams(Resolver(ResolverOptions(nameservers=())), bus.end())
    assert sent == [SYNC]


def test_sticky_cookie() -> None:
    upstreams = Upstreams(Resolver(ResolverOptions(nameservers=())))
    sticky = upstream(
        algorithm="sticky-sessions", sticky_sessions_cookie="sid", sticky_sessions_cookie_path="/p"
    )
    upstreams.adopt([sticky, upstream("v")], [*TARGETS, target("10.0.0.3:80", 1, "v")], [])
    balancer, plain = upstreams.for_upstream("u"), upstreams.for_upstream("v")
    peer = balancer.pick(b"", ())
    assert peer is not None
    cookie = balancer.sticky_cookie(b"", peer)
    assert cookie is not None
    token = cookie.header_value.partition(";")[0].partition("=")[2].encode()
    assert cookie.header_value == f"sid={token.decode()}; Path=/p; Same-Site=Lax; HttpOnly"
    assert {balancer.pick(token, ()) for _ in range(5)} == {peer}
    assert balancer.sticky_cookie(token, peer) is None
    assert balancer.sticky_cookie(b"other", peer) == cookie
    assert plain.sticky_cookie(b"", plain.peers[0]) is None


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario on the loop that workers use."""

    async def main() -> None:
        await asyncio.wait_for(scenario(), 60)

    uvloop.run(main())


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something holds."""
    while not condition():  # noqa: ASYNC110  # There is no event for what a bystander can see.
        await asyncio.sleep(0.001)


TRIALS = Resilience(slow_start=0, panic_threshold=0, trial_interval=0.02, retry=None)


async def eject(here: Node, peer: Peer) -> None:
    """Let passive checks eject a peer, and wait for its trial."""
    here.balancer.report_tcp_failure(peer)
    here.balancer.report_tcp_failure(peer)
    assert not peer.available
    await until(lambda: peer.on_trial)


def test_a_trial_that_passes_readmits() -> None:
    async def scenario() -> None:
        here = node(TRIALS)
        peer = here.balancer.peers[0]
        await eject(here, peer)
        while here.balancer.pick(b"", ()) is not peer:
            pass
        here.balancer.began(peer)
        # Only one request goes there until its outcome is known.
        assert picked(here.balancer) == {"10.0.0.2": 20}
        here.balancer.ended(peer, 0.1)
        here.balancer.report_status(peer, 201)
        assert here.state(peer) == HEALTHY
        assert picked(here.balancer) == picked(here.other) == {"10.0.0.1": 10, "10.0.0.2": 10}
        address = peer.checked_address
        assert here.registry.timeline("u", address)[-1]["reason"] == "status 201: trial passed"

    play(scenario)


@pytest.mark.parametrize("outcome", ["status", "tcp", "timeout"])
def test_a_trial_that_fails_is_repeated(outcome: str) -> None:
    async def scenario() -> None:
        here = node(TRIALS, targets=TARGETS[:1])
        peer = here.balancer.peers[0]
        await eject(here, peer)
        # The only address there is: the trial opens an upstream that is down altogether.
        assert here.balancer.pick(b"", ()) is peer
        here.balancer.began(peer)
        assert here.balancer.pick(b"", ()) is None
        if outcome == "status":
            here.balancer.report_status(peer, 503)
        elif outcome == "tcp":
            here.balancer.report_tcp_failure(peer)
        else:
            here.balancer.report_timeout(peer)
        assert here.state(peer) == UNHEALTHY
        await until(lambda: peer.on_trial)

    play(scenario)


def test_no_trials_for_what_was_set_by_hand() -> None:
    async def scenario() -> None:
        here = node(TRIALS)
        first, second = here.balancer.peers
        here.registry.set_state("u", [first.checked_address], is_healthy=False)
        await eject(here, second)
        assert not first.on_trial
        here.registry.set_state("u", [second.checked_address], is_healthy=False)
        events = len(here.registry.timeline("u", second.checked_address))
        await asyncio.sleep(0.06)
        assert len(here.registry.timeline("u", second.checked_address)) == events

    play(scenario)


def test_trials_begin_and_end_with_the_configuration() -> None:
    async def scenario() -> None:
        here = node()
        peer = here.balancer.peers[0]
        here.balancer.report_tcp_failure(peer)
        here.balancer.report_tcp_failure(peer)
        checks = healthchecks(passive_unhealthy={"http_failures": 2, "tcp_failures": 2, "timeouts": 2})
        here.registry.adopt([upstream(healthchecks=checks, x_resilience=TRIALS)])
        await until(lambda: peer.on_trial)
        # Not configured at the moment, but it may come back.
        here.registry.adopt([])
        peer.on_trial = False
        await asyncio.sleep(0.06)
        assert not peer.on_trial
        here.registry.adopt([upstream(healthchecks=checks, x_resilience=TRIALS)])
        await until(lambda: peer.on_trial)

    play(scenario)


def test_an_old_request_that_succeeds_does_not_end_the_trials() -> None:
    async def scenario() -> None:
        here = node(TRIALS, passive_healthy={"successes": 5})
        peer = here.balancer.peers[0]
        await eject(here, peer)
        peer.on_trial = False
        here.balancer.report_status(peer, 200)
        assert here.state(peer) == "mostly_unhealthy"
        await until(lambda: peer.on_trial)

    play(scenario)


def test_slow_start_after_recovery() -> None:
    async def scenario() -> None:
        here = node(Resilience(slow_start=0.3, panic_threshold=0, trial_interval=0, retry=None))
        address = here.balancer.peers[0].checked_address
        here.registry.set_state("u", [address], is_healthy=False)
        here.registry.set_state("u", [address], is_healthy=True)
        share = picked(here.balancer, 110)["10.0.0.1"]
        assert 5 <= share <= 30
        await until(lambda: picked(here.balancer, 20) == {"10.0.0.1": 10, "10.0.0.2": 10})

    play(scenario)


def test_panic_uses_everybody() -> None:
    here = node(Resilience(slow_start=0, panic_threshold=60, trial_interval=0, retry=None))
    here.registry.set_state("u", [here.balancer.peers[0].checked_address], is_healthy=False)
    assert picked(here.balancer) == {"10.0.0.1": 10, "10.0.0.2": 10}
