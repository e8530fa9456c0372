"""The prober: ejects and readmits real servers, without overlapping itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from dbless_gateway.balancing.health import HEALTHY, UNHEALTHY
from dbless_gateway.config.entities import Target, Upstream
from dbless_gateway.runtime.health import HealthRegistry
from dbless_gateway.runtime.health_messages import STATE_TOPIC, StateChange
from dbless_gateway.runtime.prober import Prober
from dbless_gateway.runtime.resolver import Resolver
from dbless_gateway.runtime.resolver_options import ResolverOptions
from dbless_gateway.runtime.upstreams import Upstreams
from tests.support.local_bus import LocalBus
from tests.support.upstream_entities import healthchecks, target, upstream

# Far longer than an answer takes here, however busy the machine is.
ANSWER_S = 60.0


class Origin:
    """A server whose answer can be changed, counting who is there at a time."""

    def __init__(self) -> None:
        self.status = 200
        self.gate = asyncio.Event()
        self.gate.set()
        self.requests = 0
        self.open = self.open_max = 0
        self._opened = asyncio.Event()

    async def start(self) -> None:
        """Listen on a free port."""
        self.server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.target = f"127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def until_open(self, count: int) -> None:
        """Wait until so many are there at once."""
        while self.open < count:
            self._opened.clear()
            await self._opened.wait()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests += 1
        self.open += 1
        self.open_max = max(self.open, self.open_max)
        self._opened.set()
        try:
            await reader.readuntil(b"\r\n\r\n")
            await self.gate.wait()
            writer.write(b"HTTP/1.1 %d X\r\n\r\n" % self.status)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # A tcp check sends nothing; a prober that is stopped goes away.
        finally:
            self.open -= 1
            writer.close()


class Node:
    """Prober and registry of a node, with the changes of state that they published."""

    def __init__(self) -> None:
        bus = LocalBus()
        self.registry = HealthRegistry(bus.end())
        self.upstreams = Upstreams(Resolver(ResolverOptions(nameservers=())))
        self.prober = Prober(self.upstreams, self.registry)
        self._changes: asyncio.Queue[StateChange] = asyncio.Queue()
        bus.end().subscribe(STATE_TOPIC, self._changes.put_nowait)

    def adopt(self, upstreams: list[Upstream], targets: list[Target]) -> None:
        """Take over a configuration."""
        self.upstreams.adopt(upstreams, targets, [])
        self.registry.adopt(upstreams)
        self.prober.adopt(upstreams)

    async def change(self) -> str:
        """Wait for the next state."""
        return (await self._changes.get()).state


def play(scenario: Callable[[Node, Origin], Awaitable[None]]) -> None:
    """Run a scenario with a node and one server."""

    async def main() -> None:
        node, origin = Node(), Origin()
        await origin.start()
        try:
            await asyncio.wait_for(scenario(node, origin), 60)
        finally:
            await node.prober.close()
            origin.server.close()

    uvloop.run(main())


def checked(interval_s: float = 0.1, **changes: Any) -> Upstream:
    """Return an upstream that is checked often and judged at once."""
    fields: dict[str, Any] = {
        "active": {"timeout": ANSWER_S},
        "active_healthy": {"interval": interval_s, "successes": 1},
        "active_unhealthy": {"interval": interval_s, "http_failures": 1, "tcp_failures": 1, "timeouts": 1},
    }
    return upstream(healthchecks=healthchecks(**(fields | changes)))


@pytest.mark.slow
def test_a_failing_target_is_ejected_and_readmitted() -> None:
    async def scenario(node: Node, origin: Origin) -> None:
        origin.status = 500
        node.adopt([checked()], [target(origin.target)])
        assert await node.change() == UNHEALTHY
        origin.status = 200
        assert await node.change() == HEALTHY
        origin.server.close()
        assert await node.change() == UNHEALTHY
        address = node.upstreams.for_upstream("u").peers[0].checked_address
        reasons = [event["reason"] for event in node.registry.timeline("u", address)]
        assert reasons[:2] == ["status 500: http_failures 1 of 1", "status 200: successes 1 of 1"]

    play(scenario)


def test_tcp_checks() -> None:
    async def scenario(node: Node, origin: Origin) -> None:
        node.adopt([checked(active={"type": "tcp", "timeout": ANSWER_S})], [target(origin.target)])
        address = node.upstreams.for_upstream("u").peers[0].checked_address
        node.registry.set_state("u", [address], is_healthy=False)
        assert await node.change() == UNHEALTHY
        assert await node.change() == HEALTHY

    play(scenario)


@pytest.mark.slow
def test_a_round_never_overlaps_itself() -> None:
    async def scenario(node: Node, origin: Origin) -> None:
        origin.gate.clear()
        node.adopt([checked(interval_s=0.02)], [target(origin.target)])
        await origin.until_open(1)
        # Several intervals pass; on a busy machine fewer, which is no failure.
        await asyncio.sleep(0.2)
        assert origin.requests == 1

    play(scenario)


@pytest.mark.slow
@pytest.mark.parametrize(("concurrency", "expected"), [(1, 1), (3, 3)])
def test_concurrency(concurrency: int, expected: int) -> None:
    async def scenario(node: Node, origin: Origin) -> None:
        port = origin.target.rpartition(":")[2]
        # One server behind several names: each is an address of its own.
        targets = [target(f"n{number}.test:{port}") for number in range(4)]
        node.upstreams = Upstreams(
            Resolver(
                ResolverOptions(
                    nameservers=(), hosts={f"n{number}.test": ("127.0.0.1",) for number in range(4)}
                )
            )
        )
        node.prober = Prober(node.upstreams, node.registry)
        origin.gate.clear()
        node.adopt([checked(active={"timeout": ANSWER_S, "concurrency": concurrency})], targets)
        await origin.until_open(expected)
        # Whatever else was begun arrives; on a busy machine not all of it, which is no failure.
        await asyncio.sleep(0.1)
        assert origin.open_max == expected

    play(scenario)


def test_targets_of_weight_zero_are_not_checked() -> None:
    async def scenario(node: Node, origin: Origin) -> None:
        idle = Origin()
        await idle.start()
        origin.status = 500
        node.adopt([checked()], [target(idle.target, 0), target(origin.target)])
        assert await node.change() == UNHEALTHY
        assert idle.requests == 0
        idle.server.close()

    play(scenario)


def test_a_reload_leaves_unchanged_rounds_alone_and_stops_those_that_are_gone() -> None:
    async def scenario(node: Node, origin: Origin) -> None:
        node.adopt([checked()], [target(origin.target)])
        before = {task for task in asyncio.all_tasks() if "_repeat" in repr(task)}
        node.adopt([checked()], [target(origin.target)])
        assert before == {task for task in asyncio.all_tasks() if "_repeat" in repr(task)}
        node.adopt([checked(interval_s=5)], [target(origin.target)])
        await asyncio.gather(*before, return_exceptions=True)
        assert all(task.cancelled() for task in before)
        after = {task for task in asyncio.all_tasks() if "_repeat" in repr(task)}
        node.adopt([upstream()], [target(origin.target)])
        await asyncio.gather(*after, return_exceptions=True)
        assert all(task.cancelled() for task in after)

    play(scenario)


def test_only_one_of_the_two_intervals() -> None:
    async def scenario(node: Node, origin: Origin) -> None:
        unhealthy = {"interval": 0, "http_failures": 1}
        origin.status = 500
        node.adopt([checked(active_unhealthy=unhealthy)], [target(origin.target)])
        assert await node.change() == UNHEALTHY
        assert len([task for task in asyncio.all_tasks() if "_repeat" in repr(task)]) == 1

    play(scenario)


def test_grpc_checks_are_refused_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(node: Node, origin: Origin) -> None:
        with caplog.at_level(logging.WARNING):
            node.adopt([checked(active={"type": "grpc"})], [target(origin.target)])

    play(scenario)
    assert caplog.messages == ["upstream u: active checks of type grpc are not carried out"]
