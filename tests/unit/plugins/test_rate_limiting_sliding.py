"""rate-limiting with ``window: sliding``, counted here and in a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.pdk.redis_store import SyncedCounters
from dbless_gateway.plugins import rate_limiting
from tests.support.plugin_context import FakeContext, FakeHost, make_env, make_handler
from tests.support.redis_server import direct, running_redis

# A minute begins here.
MINUTE = 1_700_000_040.0
DEFAULTS: dict[str, Any] = {
    "window": "sliding",
    "limit_by": "ip",
    "policy": "local",
    "fault_tolerant": True,
    "redis": {},
    "hide_client_headers": False,
    "error_code": 429,
    "error_message": "API rate limit exceeded",
    "sync_rate": -1,
}


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with running_redis() as number:
        yield number


class Node:
    """A gateway's host with a handler, and a clock that a test moves."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.host = FakeHost()
        self.host.clock = MINUTE
        self.handler = make_handler(rate_limiting, DEFAULTS | config, make_env(self.host))
        self.headers: dict[str, str] = {}
        self.retry_after = ""

    async def ask(self, times: int = 1) -> int:
        """Return how many of these requests passed."""
        passed = 0
        for _ in range(times):
            ctx = FakeContext()
            reply = self.handler.access(ctx)
            if hasattr(reply, "__await__"):
                reply = await reply
            passed += reply is None
            self.headers = ctx.response_headers
            self.retry_after = "" if reply is None else dict(reply.headers)["Retry-After"]
        return passed

    async def close(self) -> None:
        stores = list(self.host.resources.values())
        for resource in sorted(stores, key=lambda found: not isinstance(found, SyncedCounters)):
            await resource.close()


Make = Callable[..., Node]


@pytest.fixture(params=["local", "redis", "redis now and then"])
def make(request: pytest.FixtureRequest) -> Make:
    """Every place where counters may be; each test begins with none."""
    if request.param == "local":
        return lambda **config: Node(config)
    port = request.getfixturevalue("server")
    with direct(port) as client:
        client.flushall()
    redis = {"host": "127.0.0.1", "port": port, "timeout": 5000, "database": 0}
    sync_rate = -1 if request.param == "redis" else 1000
    return lambda **config: Node({"policy": "redis", "redis": redis, "sync_rate": sync_rate} | config)


def test_a_window_slides(make: Make) -> None:
    async def scenario() -> None:
        node = make(minute=10)
        node.host.clock += 59
        assert await node.ask(12) == 10
        assert (node.headers["RateLimit-Remaining"], node.retry_after) == ("0", "7")
        # A window of the calendar would let ten more pass now.
        node.host.clock += 1
        assert await node.ask() == 0
        assert (node.retry_after, node.headers["RateLimit-Reset"]) == ("6", "6")
        node.host.clock += 6
        assert await node.ask(2) == 1
        node.host.clock += 24
        assert await node.ask(10) == 4
        node.host.clock += 3600
        assert await node.ask(11) == 10
        await node.close()

    asyncio.run(scenario())


def test_headers_of_an_allowed_request(make: Make) -> None:
    async def scenario() -> dict[str, str]:
        node = make(minute=10, hour=100)
        await node.ask(4)
        node.host.clock += 90
        await node.ask()
        await node.close()
        return node.headers

    assert asyncio.run(scenario()) == {
        "X-RateLimit-Limit-Minute": "10",
        "X-RateLimit-Remaining-Minute": "7",
        "X-RateLimit-Limit-Hour": "100",
        "X-RateLimit-Remaining-Hour": "95",
        "RateLimit-Limit": "10",
        "RateLimit-Remaining": "7",
        "RateLimit-Reset": "30",
    }


def test_a_refused_request_counts_nowhere(make: Make) -> None:
    async def scenario() -> None:
        node = make(minute=5, hour=5)
        assert await node.ask(9) == 5
        assert node.headers["X-RateLimit-Remaining-Minute"] == "0"
        node.host.clock += 120
        assert await node.ask(9) == 0
        assert node.headers["X-RateLimit-Remaining-Minute"] == "5"
        assert node.headers["X-RateLimit-Remaining-Hour"] == "0"
        await node.close()

    asyncio.run(scenario())


def test_two_nodes_hold_one_limit(server: int) -> None:
    with direct(server) as client:
        client.flushall()
    redis = {"host": "127.0.0.1", "port": server, "timeout": 5000, "database": 0}

    async def scenario() -> int:
        nodes = [Node({"policy": "redis", "redis": redis, "minute": 100}) for _ in range(2)]
        passed = sum(await asyncio.gather(*(node.ask() for _ in range(80) for node in nodes)))
        for node in nodes:
            await node.close()
        return passed

    assert asyncio.run(scenario()) == 100
    with direct(server) as client:
        (key,) = client.scan_iter()
        assert int(client.get(key) or 0) == 100, "refused requests do not count"
        assert 60 < int(str(client.ttl(key))) <= 120


@given(st.lists(st.floats(0, 40), min_size=1, max_size=120), st.integers(1, 20))
def test_evenly_spread_or_not_it_is_never_twice_the_limit_in_a_minute(
    pauses_s: list[float], limit: int
) -> None:
    """The estimate may be wrong about one minute, within this bound; two windows never hold more."""
    node = Node({"minute": limit})
    passed = []
    for pause_s in pauses_s:
        node.host.clock += pause_s / 10
        if asyncio.run(node.ask()):
            passed.append(node.host.clock)
    for start in passed:
        assert sum(start <= at < start + 60 for at in passed) < 2 * limit or limit == 1
